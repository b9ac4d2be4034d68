//! Certificates of one member or of all are renewed while they are in use.

use super::victims::{Who, names};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::history::{Edn, value};
use crate::host::Group;
use async_trait::async_trait;
use rand::Rng as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

const WAYS: [Who; 3] = [Who::One, Who::Leader, Who::All];
const HOLD_MS: Range<u64> = 0..2_000;

/// Renews certificates by `reddwarf cert rotate`.
#[derive(Debug, Default)]
pub struct Rotate;

#[async_trait]
impl Nemesis for Rotate {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let who = Who::draw(&WAYS, rng);
        let members = who.choose(group, rng).await;
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        let before = fingerprints(group).await?;
        match members[..] {
            [one] => group.operate(&["cert", "rotate", &one.name]).await?,
            _ => group.operate(&["cert", "rotate", "--all"]).await?,
        };
        let after = fingerprints(group).await?;
        let mut evidence = Vec::new();
        for member in &members {
            let (old, new) = (before.get(&member.name), after.get(&member.name));
            let Some(new) = new.filter(|new| old != Some(*new)) else {
                let what = format!("{} shows the certificate of before", member.name);
                return Err(NemesisError::NoEvidence(what));
            };
            evidence.push(value::map([
                ("node", value::text(&member.name)),
                ("before", old.map_or(Edn::Nil, value::text)),
                ("after", value::text(new)),
            ]));
        }
        let fault = Fault::new(names(&members), hold, Edn::Vector(evidence));
        Ok(fault.with("who", who.to_edn()))
    }

    async fn end(&mut self, _: &Group) -> Result<Edn, NemesisError> {
        Ok(Edn::Nil)
    }
}

async fn fingerprints(group: &Group) -> Result<BTreeMap<String, String>, NemesisError> {
    let said = group.operate(&["cert", "list", "-o", "json"]).await?;
    let read = NemesisError::failed("read the list of certificates");
    Ok(shown(&serde_json::from_str(&said).map_err(read)?))
}

/// The fingerprints of the members' certificates, by name.
fn shown(list: &Value) -> BTreeMap<String, String> {
    let one = |told: &Value| {
        let fingerprint = told["certificate"]["fingerprint"].as_str()?;
        Some((told["member"].as_str()?.to_owned(), fingerprint.to_owned()))
    };
    list.as_array().into_iter().flatten().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_member_is_known_by_its_fingerprint() {
        let list = json!([{"member": "n1", "certificate": {"fingerprint": "sha256:aa"}},
            {"member": "n2", "certificate": null}]);
        assert_eq!(shown(&list), BTreeMap::from([("n1".to_owned(), "sha256:aa".to_owned())]));
    }
}
