//! Shortens a script that fails.

use crate::script::Script;

/// Leaves out steps for as long as the script still fails.
pub fn shrink(script: &Script, mut fails: impl FnMut(&Script) -> bool) -> Script {
    let mut script = script.clone();
    let mut is_shorter = true;
    while is_shorter {
        is_shorter = false;
        for at in (0..script.steps.len()).rev() {
            let mut shorter = script.clone();
            shorter.steps.remove(at);
            if fails(&shorter) {
                (script, is_shorter) = (shorter, true);
            }
        }
    }
    script
}
