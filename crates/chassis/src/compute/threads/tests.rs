use std::sync::{
    Barrier,
    atomic::{AtomicUsize, Ordering::SeqCst},
    mpsc,
};

use futures_util::{FutureExt, future::join_all};

use super::*;

fn threads(limit: usize) -> &'static Threads {
    Box::leak(Box::new(Threads::new(limit)))
}

/// Polls a computation that cannot have ended yet.
fn begin<T: Send>(mut computation: Computation<T>) -> Computation<T> {
    assert!((&mut computation).now_or_never().is_none());
    computation
}

/// Occupies a thread until the sender is used or dropped.
fn occupy(threads: &'static Threads) -> (mpsc::Sender<()>, Computation<()>) {
    let (release, released) = mpsc::channel();
    let (begun, has_begun) = mpsc::channel();
    let computation = begin(threads.run(move || {
        move |_: &Wanted<'_>| {
            begun.send(()).expect("it is waited for");
            let _ = released.recv();
        }
    }));
    has_begun.recv().expect("it begins");
    (release, computation)
}

#[tokio::test]
async fn a_computation_is_prepared_where_it_is_polled_and_not_before() {
    let prepared = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&prepared);
    let computation = threads(1).run(move || {
        count.fetch_add(1, SeqCst);
        let here = thread::current().id();
        move |_: &Wanted<'_>| (here, thread::current().id())
    });
    assert_eq!(prepared.load(SeqCst), 0);
    let (prepared, computed) = computation.await;
    assert_eq!(prepared, thread::current().id());
    assert_ne!(computed, prepared);
}

#[tokio::test]
async fn computations_run_in_the_order_in_which_they_were_given() {
    let threads = threads(1);
    let (release, _first) = occupy(threads);
    let order = Arc::new(Mutex::new(Vec::new()));
    let computations = (0..10).map(|index| {
        let order = Arc::clone(&order);
        begin(
            threads.run(move || move |_: &Wanted<'_>| order.lock().expect("no panic").push(index)),
        )
    });
    let computations: Vec<_> = computations.collect();
    drop(release);
    join_all(computations).await;
    assert_eq!(*order.lock().expect("no panic"), (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_more_than_the_limit_run_at_once() {
    let threads = threads(2);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    // If only one ran, the barrier would never open.
    let both = Arc::new(Barrier::new(2));
    let computations = (0..10).map(|_| {
        let (running, most, both) = (running.clone(), most.clone(), both.clone());
        threads.run(move || {
            move |_: &Wanted<'_>| {
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                both.wait();
                running.fetch_sub(1, SeqCst);
            }
        })
    });
    join_all(computations.collect::<Vec<_>>()).await;
    assert_eq!(most.load(SeqCst), 2);
}

#[tokio::test]
async fn a_computation_that_is_dropped_leaves_the_queue_with_all_that_it_holds() {
    let threads = threads(1);
    let (release, first) = occupy(threads);
    let held = Arc::new(());
    let moved = Arc::clone(&held);
    let queued = begin(threads.run(move || move |_: &Wanted<'_>| drop(moved)));
    assert_eq!(Arc::strong_count(&held), 2);
    drop(queued);
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(threads.lock().queue.is_empty());
    drop(release);
    first.await;
}

/// Sends the id of the thread that drops it.
struct Dropped(mpsc::Sender<thread::ThreadId>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().id());
    }
}

#[tokio::test]
async fn a_result_that_is_not_wanted_is_dropped_by_the_runtime_that_began_it() {
    let (sender, dropped) = mpsc::channel();
    let (begun, has_begun) = mpsc::channel();
    let computation = begin(threads(1).run(move || {
        move |wanted: &Wanted<'_>| {
            begun.send(()).expect("it is waited for");
            while wanted.check() {}
            Dropped(sender)
        }
    }));
    has_begun.recv().expect("it begins");
    drop(computation);
    let thread = loop {
        tokio::task::yield_now().await;
        if let Ok(thread) = dropped.try_recv() {
            break thread;
        }
    };
    assert_eq!(thread, thread::current().id());
}

#[tokio::test]
async fn a_computation_that_runs_learns_that_it_is_not_wanted() {
    let threads = threads(1);
    let computation = begin(threads.run(|| {
        |wanted: &Wanted<'_>| {
            while wanted.check() {
                thread::yield_now();
            }
        }
    }));
    drop(computation);
    threads.run(|| |_: &Wanted<'_>| ()).await;
}

#[tokio::test]
async fn a_panic_reaches_the_call_and_not_the_thread() {
    let threads = threads(1);
    let computation = threads.run(|| |_: &Wanted<'_>| assert!(threads.limit == 0, "a test"));
    assert!(AssertUnwindSafe(computation).catch_unwind().await.is_err());
    assert_eq!(threads.run(|| |_: &Wanted<'_>| 7).await, 7);
}

#[tokio::test]
async fn a_thread_has_a_lower_priority_than_those_that_do_io() {
    let nice = || rustix::process::getpriority_process(None).expect("it runs");
    let expected = (nice() + NICE).min(19);
    assert_eq!(threads(1).run(move || move |_: &Wanted<'_>| nice()).await, expected);
}

#[tokio::test]
async fn an_idle_thread_ends_and_another_one_starts_for_new_work() {
    let threads = threads(1);
    threads.run(|| |_: &Wanted<'_>| ()).await;
    while threads.lock().started > 0 {
        tokio::task::yield_now().await;
    }
    threads.run(|| |_: &Wanted<'_>| ()).await;
}
