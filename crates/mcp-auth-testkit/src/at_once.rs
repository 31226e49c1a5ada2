//! Races.

use std::{future::Future, sync::Arc};

use tokio::sync::Barrier;

/// Runs `count` futures that begin at the same moment, each in a task of its own, and gives what they
/// gave, in order.
///
/// # Panics
///
/// When one of them does.
pub async fn at_once<T, F>(count: usize, make: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let gate = Arc::new(Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|index| {
            let (gate, work) = (gate.clone(), make(index));
            tokio::spawn(async move {
                gate.wait().await;
                work.await
            })
        })
        .collect();
    let mut results = Vec::with_capacity(count);
    for task in tasks {
        match task.await.map_err(tokio::task::JoinError::into_panic) {
            Ok(result) => results.push(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    results
}
