//! The members as this node knew them last, in a file of its own: a node whose state is damaged
//! asks them for another one, and cannot read from the state who they are.

use crate::config::{NodeConfig, Peer};
use crate::types::Member;
use crate::wal::{Disk, write_file};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const FILE: &str = "members";

/// Writes the file: a line with id, address and name for each member.
///
/// # Errors
/// Whatever the file system answers.
pub fn write(
    disk: &dyn Disk,
    data_dir: &Path,
    members: &BTreeMap<u64, Member>,
) -> std::io::Result<()> {
    let mut text = String::new();
    for (id, member) in members {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{id} {} {}", member.addr, member.name);
    }
    let partial = data_dir.join("members.partial");
    write_file(disk, &partial, text.as_bytes())?;
    disk.rename(&partial, &data_dir.join(FILE))
}

fn parse(line: &str) -> Option<Peer> {
    let mut words = line.split(' ');
    let (id, addr, name) = (words.next()?, words.next()?, words.next()?);
    let (addr, name) = (addr.to_owned(), name.to_owned());
    id.parse().ok().map(|id| Peer { id, name, addr })
}

/// The others: as the file has them, and those that only the configuration names. A line that is
/// no member is left out, since a damaged disk may be why they are asked for.
pub fn others(config: &NodeConfig) -> Vec<Peer> {
    let text = std::fs::read_to_string(config.data_dir.join(FILE)).unwrap_or_default();
    let mut found: BTreeMap<u64, Peer> =
        config.peers.iter().map(|peer| (peer.id, peer.clone())).collect();
    found.extend(text.lines().filter_map(parse).map(|peer| (peer.id, peer)));
    found.remove(&config.node_id);
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::FileDisk;

    #[test]
    fn the_file_adds_to_what_is_configured() {
        let folder = tempfile::tempdir().expect("tempdir");
        let mut config = NodeConfig::single("node-1", "h:1", folder.path().to_owned());
        let peer =
            |id, name: &str, addr: &str| Peer { id, name: name.to_owned(), addr: addr.to_owned() };
        config.peers.push(peer(2, "node-2", "h:2"));
        assert_eq!(others(&config), vec![peer(2, "node-2", "h:2")]);
        let member = |name: &str, addr: &str| Member {
            name: name.to_owned(),
            addr: addr.to_owned(),
            incarnation: 3,
        };
        let members = BTreeMap::from([
            (1, member("node-1", "h:1")),
            (2, member("node-2", "elsewhere:2")),
            (9, member("node-9", "[::1]:9")),
        ]);
        write(&FileDisk, folder.path(), &members).expect("written");
        let expected = vec![peer(2, "node-2", "elsewhere:2"), peer(9, "node-9", "[::1]:9")];
        assert_eq!(others(&config), expected);
        std::fs::write(folder.path().join(FILE), "9 \nx y z\n").expect("written");
        assert_eq!(others(&config), vec![peer(2, "node-2", "h:2")]);
    }
}
