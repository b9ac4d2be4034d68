//! Three members that are configured by hand, as the README tells it.

use reddwarf::client::GroupClient;
use reddwarf::kubeconfig::Kubeconfig;
use reddwarf_tests::cluster::{eventually, free_ports, program, turn};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The README's one configuration for three machines.
fn configuration() -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("there");
    let blocks = readme.split("```toml\n").filter_map(|rest| rest.split("```").next());
    let mut three = blocks.filter(|block| block.matches("[[peers]]").count() == 3);
    three.next().expect("a configuration of three members").to_owned()
}

/// Kills its process.
struct Member(Child);

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_share_an_authority_and_a_configuration_are_a_group() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = free_ports(3);
    let mut text = configuration();
    for i in 1..=3_u16 {
        // The machines of the README are three ports of this one.
        let address = format!("10.0.0.{i}:6443");
        assert!(text.contains(&address), "{text}");
        text = text.replace(&address, &format!("127.0.0.1:{}", first + i - 1));
    }
    let file = folder.path().join("config.toml");
    fs::write(&file, text).expect("written");
    let data = |i: u16| folder.path().join(format!("machine-{i}"));
    let start = |i: u16| {
        let child = Command::new(program())
            .args(["server", "--name", &format!("node-{i}"), "--config"])
            .arg(&file)
            .arg("--data-dir")
            .arg(data(i))
            .args(["--listen", &format!("127.0.0.1:{}", first + i - 1)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Member(child.expect("reddwarf runs"))
    };
    let mut members = vec![start(1)];
    let kubeconfig = data(1).join("admin.kubeconfig");
    eventually("the first makes the authority", async || kubeconfig.exists()).await;
    for i in 2..=3 {
        fs::create_dir_all(data(i).join("pki")).expect("a folder");
        for name in ["pki/ca.crt", "pki/ca.key"] {
            fs::copy(data(1).join(name), data(i).join(name)).expect("copied");
        }
        members.push(start(i));
    }
    let client = GroupClient::new(&Kubeconfig::read(&kubeconfig).expect("a kubeconfig"));
    let client = client.expect("usable certificates");
    assert_eq!(client.members().len(), 3, "the kubeconfig names every member");
    eventually("all three are in the group", async || {
        let Ok(status) = client.get_json("/reddwarf/status").await else { return false };
        let members = status["members"].as_array().cloned().unwrap_or_default();
        let up = |role: &str| members.iter().filter(|m| m["role"] == role).count();
        (up("leader"), up("follower")) == (1, 2)
    })
    .await;
    eventually("it is ready", async || client.get_json("/api/v1/namespaces/default").await.is_ok())
        .await;
}
