//! Panics as errors: libtorch's plain operators panic where they refuse a shape or get no memory.

use std::any::Any;
use std::cell::Cell;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether a panic on this thread is caught here, and so isn't printed.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs something that may panic.
///
/// # Errors
/// The message of its panic, in a line; it isn't printed.
pub fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !CAUGHT.get() {
                default(info);
            }
        }));
    });
    let before = CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    CAUGHT.set(before);
    result.map_err(|panic| message_of(&*panic))
}

/// The message of a panic, in a line: libtorch appends its stacks, our own messages are whole as they are.
fn message_of(panic: &(dyn Any + Send)) -> String {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it panicked");
    if message.contains(UNWRAPPED) {
        reason(&message)
    } else {
        message.lines().next().unwrap_or(message).to_owned()
    }
}

/// How the message of an `unwrap` of tch's result quotes libtorch.
const UNWRAPPED: &str = "value: Torch(\"";

/// What libtorch reports, without its stacks and what `unwrap` puts around it: the Python-like error at the
/// end of a traceback, or the first line.
#[must_use]
pub fn reason(error: &dyn Display) -> String {
    let text = error.to_string();
    let text = text.split_once(UNWRAPPED).map_or(text.clone(), |(_, quoted)| quoted.replace("\\n", "\n"));
    let raised = text.lines().rev().find_map(|line| {
        let (kind, message) = line.split_once("Error: ")?;
        kind.chars().all(|c| c.is_ascii_alphanumeric() || " .".contains(c)).then_some(message)
    });
    let line = raised.or_else(|| text.lines().next()).unwrap_or(&text);
    let message = line.split("Exception raised from").next().unwrap_or(line);
    // Where it goes on and on, the first sentence is enough.
    let end = if message.len() > 200 { message.find(". ").unwrap_or(message.len()) } else { message.len() };
    message[..end].trim_start_matches("Internal torch error: ").trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    #[test]
    fn a_panic_is_an_error_of_one_line() {
        assert_eq!(guarded(|| 3), Ok(3));
        assert_eq!(guarded(|| panic!("a message\nof two lines")), Err::<(), _>("a message".to_owned()));
        let refused =
            guarded(|| Tensor::from_slice(&[1.0, 2.0]) + Tensor::from_slice(&[1.0, 2.0, 3.0])).unwrap_err();
        assert!(refused.starts_with("The size of tensor a (2) must match"), "{refused}");
        assert!(!refused.contains('\n') && refused.len() < 200, "{refused}");
        // A call inside another is caught by itself.
        assert_eq!(guarded(|| guarded(|| panic!("inner"))), Ok(Err::<(), _>("inner".to_owned())));
    }
}
