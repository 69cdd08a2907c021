//! The operating system's clock.

use crate::driver::Clock;
use std::sync::LazyLock;
use std::time::Instant;

/// The operating system's monotonic clock, in milliseconds since the program first read it. All values of this type are
/// the same clock.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> f64 {
        static FIRST_LOOK: LazyLock<Instant> = LazyLock::new(Instant::now);
        FIRST_LOOK.elapsed().as_secs_f64() * 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    /// `OpenOptions::clock` is a plain function, which can capture nothing and makes a new value for each call.
    #[test]
    fn a_clock_goes_on_where_another_was() {
        let clock: fn() -> f64 = || SystemClock::default().now_ms();
        let before = clock();
        thread::sleep(Duration::from_millis(5));
        assert!(clock() - before >= 5.0);
    }
}
