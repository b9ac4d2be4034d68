//! What must not have happened, looked for in a history.
