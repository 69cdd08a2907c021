//! Running a future on the calling thread.

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};

/// Runs `future` to completion on this thread, parking the thread while the future waits, and returns its output.
///
/// A store whose calls need a specific runtime must be driven by that runtime's `block_on`.
///
/// ```
/// let sum = thermocline::block_on(async { core::future::ready(3).await + 4 });
/// assert_eq!(sum, 7);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    // The stores of this crate never wait. Such a call needs neither a waker nor memory for one.
    if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return output;
    }
    let waker = Waker::from(Arc::new(Unparker(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unparker(Thread);

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::future::poll_fn;
    use std::sync::mpsc::channel;

    #[test]
    fn it_waits_for_what_another_thread_wakes() {
        let (wakers, woken) = channel::<Waker>();
        let other = thread::spawn(move || woken.into_iter().map(Waker::wake).count());
        let mut polls = 0;
        let output = block_on(poll_fn(|context| {
            polls += 1;
            if polls == 5 {
                return Poll::Ready("done");
            }
            wakers.send(context.waker().clone()).map_or(Poll::Ready("nobody is left to wake it"), |()| Poll::Pending)
        }));
        assert_eq!((output, polls), ("done", 5));
        drop(wakers);
        assert_eq!(other.join().ok(), Some(4));
    }
}
