//! What requests may cost, measured at the process itself: nothing else runs in it meanwhile.

mod definitions;
mod flood;
mod hostile;
mod long_list;
mod steps;
mod versioned;
