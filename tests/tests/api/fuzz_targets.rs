//! Each fuzz target on its own inputs and on a few thousand made of them; the program `fuzz`
//! does the same for hours.

use reddwarf_tests::fuzz::{Mutator, targets};

const RUNS: usize = 300;

#[test]
fn targets_take_what_they_are_given() {
    for target in targets() {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has inputs to begin with", target.name);
        seeds.iter().for_each(|seed| {
            (target.run)(seed);
        });
        let mut mutator = Mutator::new(1);
        for _ in 0..RUNS {
            (target.run)(&mutator.next(&seeds));
        }
        println!("{}", target.name);
    }
}
