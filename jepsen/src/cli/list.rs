//! `jepsen list`

use crate::{nemesis, workload};

/// Prints what can be asked for.
pub fn list() {
    println!("workloads (`mix` and `history` are those marked so):");
    for entry in workload::CATALOGUE {
        let own = if entry.any_server { "" } else { " (members that jepsen starts)" };
        println!("  {:<10}{:<9}{}{own}", entry.name, entry.part_of, entry.about);
    }
    println!("nemeses (`all` is those marked * that the hosts can do):");
    for entry in nemesis::CATALOGUE {
        let mark = if entry.in_all { '*' } else { ' ' };
        let needs: Vec<&str> = entry.needs.iter().map(|need| need.name()).collect();
        println!("{mark} {:<14}{}; needs {}", entry.name, entry.about, needs.join(", "));
    }
}
