//! Whose data folder it is.

use crate::config::NodeConfig;
use crate::error::StartError;
use std::fs::File;
use std::io::{ErrorKind, Write};

const FILE: &str = "identity";

/// Creates the data folder and checks, or on the first start records, whose it is: a node id
/// must never vote from the log of another (invariant 16).
pub fn claim(config: &NodeConfig) -> Result<(), StartError> {
    let io = |source| StartError::DataDir { path: config.data_dir.clone(), source };
    std::fs::create_dir_all(&config.data_dir).map_err(io)?;
    let path = config.data_dir.join(FILE);
    let expected = format!("cluster {}\nnode {}\n", config.cluster_id, config.node_id);
    match std::fs::read_to_string(&path) {
        Ok(found) if found == expected => Ok(()),
        Ok(found) => {
            let line = |text: &str| text.trim().replace('\n', ", ");
            let (found, expected) = (line(&found), line(&expected));
            Err(StartError::Identity { path: config.data_dir.clone(), found, expected })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let partial = path.with_extension("partial");
            let write = || {
                let mut file = File::create(&partial)?;
                file.write_all(expected.as_bytes())?;
                file.sync_all()?;
                std::fs::rename(&partial, &path)?;
                File::open(&config.data_dir)?.sync_all()
            };
            write().map_err(io)
        }
        Err(error) => Err(io(error)),
    }
}
