//! Puts flags, environment, file and defaults together.

use super::file::{BackupTable, WalTable};
use super::{
    BackupConfig, Config, ConfigFile, DEFAULT_LOG_LEVEL, DEFAULT_PORT, Interval, Joined, LogConfig,
    Member, ServerFlags, Size, TlsFiles, WalConfig,
};
use crate::data_folder;
use miette::{Diagnostic, NamedSource, SourceSpan};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often backups are made unless configured, and how many are kept.
const BACKUP_INTERVAL: Duration = Duration::from_secs(3_600);
const BACKUPS_KEPT: usize = 24;
/// How much of the log is kept at least.
const WAL_KEPT_MIN: Size = Size(8 << 20);

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    #[diagnostic(code(reddwarf::config::unreadable), help("check the path given by --config"))]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no valid configuration.
    #[error("{message}")]
    #[diagnostic(
        code(reddwarf::config::malformed),
        help("`reddwarf server --print-config` shows a complete configuration")
    )]
    Malformed {
        /// What the parser says.
        message: String,
        /// The file.
        #[source_code]
        text: NamedSource<String>,
        /// The place.
        #[label("here")]
        place: Option<SourceSpan>,
    },
    /// A setting has a value that cannot be used.
    #[error("{setting} is {value:?}: {problem}")]
    #[diagnostic(code(reddwarf::config::value))]
    Value {
        /// Name of the setting in the file.
        setting: &'static str,
        /// Its value.
        value: String,
        /// Why it cannot be used.
        problem: &'static str,
        /// What to do.
        #[help]
        help: &'static str,
    },
    /// No place for the data.
    #[error("there is no folder for the data: neither XDG_DATA_HOME nor HOME is set")]
    #[diagnostic(code(reddwarf::config::no_home), help("give --data-dir DIR"))]
    NoHome,
}

/// Reads the file that `flags` name and completes the configuration.
///
/// # Errors
/// [`ConfigError`]
pub fn load(flags: &ServerFlags) -> Result<Config, ConfigError> {
    let file = file_of(flags)?;
    let config = resolve(flags, file.clone())?;
    match Joined::read(&config.data_dir) {
        Ok(None) => Ok(config),
        Ok(Some(joined)) => as_joined(flags, file, config, joined),
        Err(error) => Err(ConfigError::Malformed {
            message: error.to_string(),
            place: None,
            text: NamedSource::new(
                Joined::path(&config.data_dir).display().to_string(),
                String::new(),
            ),
        }),
    }
}

/// The same for a member that is to join a group, whatever its data directory says.
///
/// # Errors
/// [`ConfigError`]
pub fn load_to_join(flags: &ServerFlags) -> Result<Config, ConfigError> {
    resolve(flags, file_of(flags)?)
}

fn file_of(flags: &ServerFlags) -> Result<ConfigFile, ConfigError> {
    match &flags.config {
        Some(path) => read(path),
        None => Ok(ConfigFile::default()),
    }
}

/// What a member was told when it joined stands above the configuration as far as the group is
/// concerned, and stands in for it otherwise.
fn as_joined(
    flags: &ServerFlags,
    file: ConfigFile,
    config: Config,
    joined: Joined,
) -> Result<Config, ConfigError> {
    if let Some(name) = flags.name.as_ref().or(file.name.as_ref()).filter(|n| **n != joined.name) {
        return Err(ConfigError::Value {
            setting: "name",
            value: name.clone(),
            problem: "this data directory belongs to a member of another name",
            help: "give the name that its joined.toml has, or another --data-dir",
        });
    }
    let listen = match flags.listen.as_ref().or(file.listen.as_ref()) {
        Some(_) => config.listen,
        None => joined.listen,
    };
    let given = flags.advertise.clone().or(file.advertise);
    let advertise = given.unwrap_or_else(|| joined.advertise.clone());
    let peers = joined.peers.iter().filter(|peer| peer.name != joined.name);
    let listed = peers.map(|p| Member { name: p.name.clone(), address: p.address.clone() });
    Ok(Config {
        members: members(&joined.name, &advertise, listed.collect())?,
        name: joined.name.clone(),
        cluster: joined.cluster.clone(),
        listen,
        advertise,
        joined: Some(joined),
        ..config
    })
}

fn read(path: &Path) -> Result<ConfigFile, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.into(), source })?;
    toml::from_str(&text).map_err(|error| ConfigError::Malformed {
        message: error.message().to_owned(),
        place: error.span().map(SourceSpan::from),
        text: NamedSource::new(path.display().to_string(), text),
    })
}

fn resolve(flags: &ServerFlags, file: ConfigFile) -> Result<Config, ConfigError> {
    let name = flags.name.clone().or(file.name).unwrap_or_else(|| "node-1".into());
    check_name(&name)?;
    let listed = if flags.peers.is_empty() { file.peers } else { flags.peers.clone() };
    let listen = match flags.listen.clone().or(file.listen) {
        Some(text) => parse_listen(&text)?,
        None => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DEFAULT_PORT),
    };
    let of_peers = listed.iter().find(|m| m.name == name).map(|m| m.address.clone());
    let advertise = flags
        .advertise
        .clone()
        .or(file.advertise)
        .or(of_peers)
        .unwrap_or_else(|| default_advertise(listen));
    let data_dir = match flags.data_dir.clone().or(file.data_dir) {
        Some(folder) => folder,
        None => data_folder().ok_or(ConfigError::NoHome)?.join(&name),
    };
    Ok(Config {
        members: members(&name, &advertise, listed)?,
        tls: tls(
            flags.ca_file.clone().or(file.tls.ca_file),
            flags.cert_file.clone().or(file.tls.cert_file),
            flags.key_file.clone().or(file.tls.key_file),
            file.tls.renew,
        )?,
        log: LogConfig {
            level: flags
                .log_level
                .clone()
                .or(file.log.level)
                .unwrap_or_else(|| DEFAULT_LOG_LEVEL.into()),
            format: flags.log_format.or(file.log.format).unwrap_or_default(),
        },
        wal: wal(&file.wal)?,
        backup: file.backup.map(backup).transpose()?,
        upgrade: file.upgrade,
        cluster: flags.cluster.clone().or(file.cluster).unwrap_or_else(|| "reddwarf".into()),
        pid_file: flags.pid_file.clone().or(file.pid_file),
        name,
        data_dir,
        listen,
        advertise,
        joined: None,
    })
}

fn wal(table: &WalTable) -> Result<WalConfig, ConfigError> {
    let keep = table.keep.unwrap_or(WalConfig::default().keep);
    if keep < WAL_KEPT_MIN {
        return Err(ConfigError::Value {
            setting: "wal.keep",
            value: keep.to_string(),
            problem: "members that were away for a moment would have to fetch the whole state",
            help: "keep at least 8MiB",
        });
    }
    Ok(WalConfig { keep })
}

fn backup(table: BackupTable) -> Result<BackupConfig, ConfigError> {
    let keep = table.keep.unwrap_or(BACKUPS_KEPT);
    if keep == 0 {
        return Err(ConfigError::Value {
            setting: "backup.keep",
            value: keep.to_string(),
            problem: "no backup would be kept",
            help: "keep at least one, or leave the section [backup] out",
        });
    }
    let every = table.every.unwrap_or(Interval(BACKUP_INTERVAL));
    Ok(BackupConfig { folder: table.folder, every, keep })
}

/// Names stand in certificates, paths and label values.
pub(crate) fn check_name(name: &str) -> Result<(), ConfigError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let fits = name.len() <= 63 && name.chars().all(plain);
    if fits && ends(name.chars().next()) && ends(name.chars().last()) {
        return Ok(());
    }
    Err(ConfigError::Value {
        setting: "name",
        value: name.into(),
        problem: "not a name that a certificate and a path can carry",
        help: "use up to 63 lower-case letters, digits, '-' and '.', a letter or digit at both ends",
    })
}

fn parse_listen(text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| ConfigError::Value {
        setting: "listen",
        value: text.into(),
        problem: "not an address and a port",
        help: "use for example 127.0.0.1:6443, 0.0.0.0:6443 or [::]:6443",
    })
}

fn default_advertise(listen: SocketAddr) -> String {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => format!("127.0.0.1:{}", listen.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => format!("[::1]:{}", listen.port()),
        _ => listen.to_string(),
    }
}

fn members(
    name: &str,
    advertise: &str,
    mut listed: Vec<Member>,
) -> Result<Vec<Member>, ConfigError> {
    match listed.iter_mut().find(|m| m.name == name) {
        Some(own) => own.address = advertise.into(),
        None => listed.push(Member { name: name.into(), address: advertise.into() }),
    }
    listed.sort();
    let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    for member in &listed {
        check_name(&member.name)?;
        let port = member.address.rsplit_once(':').and_then(|(_, p)| p.parse::<u16>().ok());
        if port.is_none_or(|port| port == 0) {
            return Err(ConfigError::Value {
                setting: "peers",
                value: format!("{}={}", member.name, member.address),
                problem: "the address has no port",
                help: "write a peer's address as HOST:PORT",
            });
        }
        if !names.insert(&member.name) || !addresses.insert(&member.address) {
            return Err(ConfigError::Value {
                setting: "peers",
                value: format!("{}={}", member.name, member.address),
                problem: "another member has the same name or address",
                help: "give every member a name and an address of its own",
            });
        }
    }
    Ok(listed)
}

fn tls(
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    renew: bool,
) -> Result<Option<TlsFiles>, ConfigError> {
    match (ca, cert, key) {
        (Some(ca_file), Some(cert_file), Some(key_file)) => {
            Ok(Some(TlsFiles { ca_file, cert_file, key_file, renew }))
        }
        (None, None, None) => Ok(None),
        _ => Err(ConfigError::Value {
            setting: "tls",
            value: "incomplete".into(),
            problem: "ca_file, cert_file and key_file belong together",
            help: "give all three, or none to have them generated in the data directory",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> ConfigFile {
        toml::from_str(text).expect("valid TOML")
    }

    fn flags(data_dir: &str) -> ServerFlags {
        ServerFlags { data_dir: Some(data_dir.into()), ..ServerFlags::default() }
    }

    #[test]
    fn nothing_configured_is_a_group_of_one() {
        let config = resolve(&flags("/d"), ConfigFile::default()).expect("complete");
        assert_eq!(config.name, "node-1");
        assert_eq!(config.listen.to_string(), "127.0.0.1:6443");
        let own = Member { name: "node-1".into(), address: "127.0.0.1:6443".into() };
        assert_eq!(config.members, [own]);
        assert_eq!(config.tls, None);
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let mut flags = flags("/d");
        flags.name = Some("b".into());
        let file = file("name = 'a'\nlisten = '0.0.0.0:7000'\n[log]\nformat = 'json'");
        let config = resolve(&flags, file).expect("complete");
        assert_eq!(config.name, "b");
        assert_eq!(config.advertise, "127.0.0.1:7000");
        assert_eq!(config.log.format, super::super::LogFormat::Json);
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same() {
        let text =
            "name='b'\n[[peers]]\nname='a'\naddress='h:1'\n[[peers]]\nname='b'\naddress='h:2'";
        let config = resolve(&flags("/d"), file(text)).expect("complete");
        let again = resolve(&ServerFlags::default(), file(&config.to_toml())).expect("complete");
        assert_eq!(config, again);
        assert_eq!(config.advertise, "h:2");
    }

    #[test]
    fn backups_are_made_where_the_file_says() {
        let text = "[backup]\nfolder = '/b'\nevery = '30m'";
        let config = resolve(&flags("/d"), file(text)).expect("complete");
        let backup = config.backup.clone().expect("configured");
        assert_eq!((backup.every.0.as_secs(), backup.keep), (1_800, 24));
        let again = resolve(&ServerFlags::default(), file(&config.to_toml())).expect("complete");
        assert_eq!(again.backup, Some(backup));
    }

    #[test]
    fn an_upgrade_is_settled_as_the_file_says() {
        let config = resolve(&flags("/d"), file("[upgrade]\nsettle = 'never'")).expect("complete");
        assert_eq!(config.upgrade.settle.0, None);
        let again = resolve(&ServerFlags::default(), file(&config.to_toml())).expect("complete");
        assert_eq!(again.upgrade, config.upgrade);
        // An earlier version, to which a member may go back, would refuse the section.
        let plain = resolve(&flags("/d"), ConfigFile::default()).expect("complete");
        assert_eq!(plain.upgrade.settle.0, Some(Duration::from_secs(600)));
        assert!(!plain.to_toml().contains("upgrade"), "{}", plain.to_toml());
    }

    #[test]
    fn bad_values_are_refused_by_setting() {
        let cases = [
            ("name = 'A B'", "name"),
            ("listen = 'here'", "listen"),
            ("[[peers]]\nname='x'\naddress='h'", "peers"),
            ("[[peers]]\nname='x'\naddress='h:1'\n[[peers]]\nname='x'\naddress='h:2'", "peers"),
            ("[tls]\nca_file = 'x'", "tls"),
            ("[backup]\nfolder = '/b'\nkeep = 0", "backup.keep"),
        ];
        for (text, setting) in cases {
            let error = resolve(&flags("/d"), file(text)).expect_err(text);
            assert!(error.to_string().starts_with(setting), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_that_does_not_parse_shows_the_place() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("c.toml");
        std::fs::write(&path, "name = 'a'\nlissten = 'x'\n").expect("written");
        let Err(ConfigError::Malformed { message, place, .. }) = read(&path) else {
            panic!("an unknown key must be refused");
        };
        assert!(message.contains("lissten"), "{message}");
        assert_eq!(place.map(|p| p.offset()), Some(11));
    }
}
