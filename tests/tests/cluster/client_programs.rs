//! Official client libraries of other languages against every member: `tests/clients`.

use reddwarf_tests::cluster::Cluster;
use reddwarf_tests::program;

/// Runs a program for each of its areas against one group of three with workers.
async fn run(language: &str, areas: &[&[&str]]) {
    let cluster = Cluster::start_with_workers(3, 2).await;
    for area in areas {
        program::run(&cluster, language, area).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_typed_dynamic_and_applying_clients() {
    run("go", &[&["typed"], &["apply"], &["dynamic"]]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_informers_miss_nothing_when_their_member_is_killed() {
    run("go", &[&["informers"]]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_candidates_elect_one_leader() {
    run("go", &[&["election"]]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_operator_reconciles_over_any_member() {
    run("go", &[&["operator"]]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_client() {
    run("python", &[&[]]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_client() {
    run("javascript", &[&[]]).await;
}
