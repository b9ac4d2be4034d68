//! Known mistakes that the simulation has to find.

/// Plants a mistake in this process.
///
/// # Errors
/// When it is not known, or this build has none.
#[cfg(feature = "planted-bugs")]
pub fn plant(name: &str) -> Result<(), String> {
    use reddwarf_core::planted::{Bug, plant};
    let bug = Bug::named(name).ok_or_else(|| format!("no such mistake: {name}"))?;
    plant(bug);
    Ok(())
}

/// Plants a mistake in this process.
///
/// # Errors
/// Always: this build has none.
#[cfg(not(feature = "planted-bugs"))]
pub fn plant(_name: &str) -> Result<(), String> {
    Err("mistakes can be planted only with `--features planted-bugs`".to_owned())
}
