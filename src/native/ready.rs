//! The end of a future that waits for nothing.

use crate::store::StoreError;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

/// What `future` comes to, when all that it asks is answered at once, as a directory and memory do. There is nobody here to
/// wake it, so one that waits would wait for ever; it is an error instead.
///
/// # Errors
/// [`StoreError::Failed`] when it waits.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, StoreError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(StoreError::failed("a store that answers at once was expected, and this one waits")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ready_ends_and_what_waits_is_an_error() {
        assert_eq!(block_on(async { core::future::ready(7).await }), Ok(7));
        assert!(matches!(block_on(core::future::pending::<()>()), Err(StoreError::Failed { .. })));
    }
}
