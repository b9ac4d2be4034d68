//! A member is away while so much is written that nobody has the entries any more that it lacks: it
//! has to fetch the whole state when it comes back, under load.

use super::kill::{kill, start_again};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::client::Call;
use crate::history::{Edn, value};
use crate::host::{Group, Member};
use async_trait::async_trait;
use rand::seq::IndexedRandom;
use rand::{Rng as _, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// Objects that are written again and again, and how long they are: the log grows and the state
/// does not.
const OBJECTS: usize = 4;
const OBJECT_BYTES: usize = 900 * 1024;
/// How long a write may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the others may take to purge what the member lacks.
const PURGE_TIMEOUT: Duration = Duration::from_secs(90);
/// How long the member may take to fetch the state.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// What a member says that has fetched the state.
const SAID: &str = "installed a snapshot";

/// Lets a member miss what others purge.
#[derive(Debug, Default)]
pub struct Purge {
    /// Who is away, and how often it has fetched the state before.
    away: Option<(String, usize)>,
}

#[async_trait]
impl Nemesis for Purge {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let leader = group.leader().await.map(|leader| leader.name.clone());
        let followers: Vec<&Member> =
            group.members().into_iter().filter(|m| Some(&m.name) != leader.as_ref()).collect();
        let Some(victim) = followers.choose(rng).copied() else {
            return Err(NemesisError::Lacking("member that does not lead"));
        };
        self.away = Some((victim.name.clone(), fetched(victim)));
        let killed = kill(victim).await?;
        let others: Vec<&Member> =
            group.members().into_iter().filter(|member| member.name != victim.name).collect();
        let before = others.iter().map(|member| segments(&member.data));
        let before: Vec<BTreeSet<String>> = before.collect::<Result<_, _>>()?;
        let written = write_until(group, &others, rng, || {
            let now = others.iter().map(|member| segments(&member.data));
            let now: Vec<BTreeSet<String>> = now.collect::<Result<_, _>>()?;
            Ok(before.iter().zip(&now).all(|(before, now)| before.is_disjoint(now)))
        })
        .await?;
        let purged = before.iter().map(|before| value::number(before.len() as u64)).collect();
        let evidence = value::map([
            ("killed", killed),
            ("written-bytes", value::number(written)),
            ("purged-segments", Edn::Vector(purged)),
        ]);
        Ok(Fault::new(vec![victim.name.clone()], Duration::ZERO, evidence))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        let Some((name, before)) = self.away.take() else { return Ok(Edn::Nil) };
        let started = start_again(group, vec![name.clone()])?;
        let member = group.member(&name).ok_or(NemesisError::Lacking("member of that name"))?;
        let deadline = Instant::now() + FETCH_TIMEOUT;
        while fetched(member) <= before {
            if Instant::now() > deadline {
                return Err(NemesisError::NoEvidence(format!("{name} fetched no state")));
            }
            tokio::time::sleep(POLL).await;
        }
        let fetched = value::number((fetched(member) - before) as u64);
        Ok(value::map([("started", started), ("snapshots", fetched)]))
    }
}

/// How often a member has fetched the state, as its log tells.
fn fetched(member: &Member) -> usize {
    std::fs::read_to_string(&member.log).unwrap_or_default().matches(SAID).count()
}

/// The segments of a member's log that are there now.
fn segments(data: &Path) -> Result<BTreeSet<String>, NemesisError> {
    let folder = data.join("wal");
    let failed = || NemesisError::failed("list the segments of a log");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).map_err(failed())? {
        let name = entry.map_err(failed())?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".wal") {
            found.insert(name);
        }
    }
    Ok(found)
}

/// Writes through one of these members after the other until `done`; gives how many bytes.
async fn write_until(
    group: &Group,
    members: &[&Member],
    rng: &mut Rng,
    done: impl Fn() -> Result<bool, NemesisError>,
) -> Result<u64, NemesisError> {
    let deadline = Instant::now() + PURGE_TIMEOUT;
    let mut rng = Rng::seed_from_u64(rng.random());
    let mut written = 0;
    for turn in 0.. {
        if done()? {
            break;
        }
        if Instant::now() > deadline {
            let what = format!("after {written} bytes the others still had what was there before");
            return Err(NemesisError::NoEvidence(what));
        }
        let object = turn % OBJECTS;
        let mut client = group.client(members[turn % members.len()], WRITE_TIMEOUT)?;
        let body = big(object, &mut rng);
        let path = "/api/v1/namespaces/default/configmaps";
        let put = client.send(Call::put(format!("{path}/{}", name(object)), &body)).await;
        let answer = match put {
            Ok(answer) if answer.status.as_u16() == 404 => {
                client.send(Call::post(path, &body)).await
            }
            answer => answer,
        };
        match answer {
            Ok(answer) if answer.is_success() => written += OBJECT_BYTES as u64,
            // A leader may just have changed; the next member is asked.
            _ => tokio::time::sleep(POLL).await,
        }
    }
    Ok(written)
}

fn name(object: usize) -> String {
    format!("jepsen-big-{object}")
}

/// An object that has nothing in common with what it was before.
fn big(object: usize, rng: &mut Rng) -> Value {
    let digits = (0..OBJECT_BYTES / 16).map(|_| format!("{:016x}", rng.random::<u64>()));
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name(object)},
        "data": {"big": digits.collect::<String>()}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_segments_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let wal = folder.path().join("wal");
        std::fs::create_dir(&wal).expect("made");
        for name in ["000000000000000a.wal", "spare", "000000000000000a.newest"] {
            std::fs::write(wal.join(name), "").expect("written");
        }
        let found = segments(folder.path()).expect("listed");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["000000000000000a.wal"]);
    }

    #[test]
    fn big_objects_are_never_the_same() {
        let mut rng = Rng::seed_from_u64(1);
        let (one, other) = (big(0, &mut rng), big(0, &mut rng));
        let text = one["data"]["big"].as_str().expect("text");
        assert_eq!((text.len(), &one["metadata"]), (OBJECT_BYTES, &other["metadata"]));
        assert_ne!(one["data"], other["data"]);
    }
}
