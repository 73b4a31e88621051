//! The queue alone, under paused time.

use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::{advance, sleep};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};

use super::*;
use crate::testing;

const HOUR: Duration = Duration::from_secs(3600);

/// Returns a queue that lasts as long as the test program.
fn queue(max_workers: usize, length: usize, timeout: Duration) -> &'static Queue {
    Box::leak(Box::new(Queue::new(max_workers, &config::Queue { length, timeout })))
}

fn admit(queue: &'static Queue) -> BoxFuture<'static, Result<WorkerPermit<'static>, Cause>> {
    queue.admit(Box::leak(Box::new(testing::call()))).boxed()
}

#[tokio::test(start_paused = true)]
async fn workers_are_given_first_in_first_out() {
    let queue = queue(1, 3, HOUR);
    let working = admit(queue).await.expect("a free worker");
    let mut waiting: Vec<_> = (0..3).map(|_| spawn(admit(queue))).collect();
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    drop(working);
    for place in 0..3 {
        // The calls behind it still wait.
        for behind in &mut waiting[place + 1..] {
            assert_pending!(behind.poll());
        }
        drop(assert_ready_ok!(waiting[place].poll()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_call_does_not_overtake_the_queue() {
    let queue = queue(1, 2, HOUR);
    let working = admit(queue).await.expect("a free worker");
    let mut first = spawn(admit(queue));
    assert_pending!(first.poll());
    drop(working);
    // The worker is free, and is reserved for the first.
    let mut new_call = spawn(admit(queue));
    assert_pending!(new_call.poll());
    assert_ready_ok!(first.poll());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_leaves_the_queue_at_once() {
    let queue = queue(1, 2, HOUR);
    let working = admit(queue).await.expect("a free worker");
    let mut leaves = spawn(admit(queue));
    let mut stays = spawn(admit(queue));
    assert_pending!(leaves.poll());
    assert_pending!(stays.poll());
    assert_ready_err!(spawn(admit(queue)).poll());

    drop(leaves);
    let mut next = spawn(admit(queue));
    assert_pending!(next.poll());
    drop(working);
    drop(assert_ready_ok!(stays.poll()));
    assert_ready_ok!(next.poll());
}

#[tokio::test(start_paused = true)]
async fn a_worker_given_to_a_cancelled_call_goes_to_the_next_one() {
    let queue = queue(1, 2, HOUR);
    let working = admit(queue).await.expect("a free worker");
    let mut leaves = spawn(admit(queue));
    let mut next = spawn(admit(queue));
    assert_pending!(leaves.poll());
    assert_pending!(next.poll());
    drop(working);
    drop(leaves);
    assert_ready_ok!(next.poll());
}

#[tokio::test(start_paused = true)]
async fn a_queued_call_is_refused_after_the_queue_timeout() {
    let queue = queue(1, 1, Duration::from_secs(5));
    let _working = admit(queue).await.expect("a free worker");
    let start = Instant::now();
    let refusal = admit(queue).await.expect_err("no worker is free");
    assert!(matches!(refusal, Cause::QueueTimeout { .. }), "{refusal:?}");
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(queue.waiting.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn the_retry_hint_follows_the_queue_and_the_recent_service_time() {
    let queue = queue(5, 9, HOUR);
    for _ in 0..5 {
        let worker = admit(queue).await.expect("a free worker");
        sleep(Duration::from_millis(100)).await;
        drop(worker);
    }
    let _working: Vec<_> =
        (0..5).map(|_| admit(queue).now_or_never().expect("a free worker")).collect();
    let mut waiting: Vec<_> = (0..9).map(|_| spawn(admit(queue))).collect();
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    // Nine calls wait and one more comes: ten turns of 100 ms, five at a time.
    let refusal = admit(queue).await.expect_err("the queue is full");
    assert_eq!(refusal, Cause::QueueFull { retry_after: Duration::from_millis(200) });
}

#[tokio::test(start_paused = true)]
async fn before_any_call_has_finished_the_retry_hint_is_the_time_of_the_first() {
    let queue = queue(1, 0, HOUR);
    let _working = admit(queue).await.expect("a free worker");
    let hint = || admit(queue).now_or_never().expect("no wait").expect_err("the queue is full");
    assert_eq!(hint(), Cause::QueueFull { retry_after: MIN_DELAY });
    advance(Duration::from_secs(3)).await;
    assert_eq!(hint(), Cause::QueueFull { retry_after: Duration::from_secs(3) });
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_would_pass_in_the_queue_is_refused_at_once() {
    let queue = queue(1, 9, HOUR);
    let worker = admit(queue).await.expect("a free worker");
    sleep(Duration::from_millis(100)).await;
    drop(worker);
    let _working = admit(queue).await.expect("a free worker");

    let within = |milliseconds| {
        let call: &'static Call = Box::leak(Box::new(testing::call()));
        call.set_deadline(Duration::from_millis(milliseconds));
        spawn(queue.admit(call).boxed())
    };
    let refusal = assert_ready_err!(within(99).poll());
    assert_eq!(refusal, Cause::TooLate { retry_after: Duration::from_millis(100) });
    let mut first = within(100);
    assert_pending!(first.poll());
    // One call is ahead now.
    assert_ready_err!(within(199).poll());
    assert_pending!(within(200).poll());
}

#[tokio::test(start_paused = true)]
async fn the_load_counts_busy_workers_waiting_calls_and_refusals_by_reason() {
    let queue = queue(5, 2, Duration::from_secs(5));
    let working = [admit(queue).await, admit(queue).await];
    let refused = Refused { queue_full: 0, queue_timeout: 0, too_late: 0 };
    let load = Load { busy: 2, max_workers: 5, waiting: 0, queue_length: 2, refused };
    assert_eq!(queue.load(), load);

    let _more = [admit(queue).await, admit(queue).await, admit(queue).await];
    let mut waiting = [spawn(admit(queue)), spawn(admit(queue))];
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    for _ in 0..3 {
        assert_ready_err!(spawn(admit(queue)).poll());
    }
    let refused = Refused { queue_full: 3, ..refused };
    assert_eq!(queue.load(), Load { busy: 5, waiting: 2, refused, ..load });

    sleep(Duration::from_secs(5)).await;
    for call in &mut waiting {
        assert_ready_err!(call.poll());
    }
    let late: &'static Call = Box::leak(Box::new(testing::call()));
    late.set_deadline(Duration::from_millis(1));
    assert_ready_err!(spawn(queue.admit(late).boxed()).poll());
    let refused = Refused { queue_timeout: 2, too_late: 1, ..refused };
    assert_eq!(queue.load(), Load { busy: 5, refused, ..load });
    drop(working);
    assert_eq!(queue.load(), Load { busy: 3, refused, ..load });
}

#[tokio::test(start_paused = true)]
async fn a_call_has_its_times_in_the_queue_and_at_work() {
    let queue = queue(1, 1, HOUR);
    let working = admit(queue).await.expect("a free worker");
    let call: &'static Call = Box::leak(Box::new(testing::call()));
    let mut waiting = spawn(queue.admit(call).boxed());
    assert_pending!(waiting.poll());
    advance(Duration::from_millis(300)).await;
    assert_eq!((call.waited(), call.worked()), (None, None));
    drop(working);
    let worker = assert_ready_ok!(waiting.poll());
    advance(Duration::from_millis(70)).await;
    drop(worker);
    assert_eq!(call.waited(), Some(Duration::from_millis(300)));
    assert_eq!(call.worked(), Some(Duration::from_millis(70)));
}

#[tokio::test(start_paused = true)]
async fn the_utilization_is_the_average_of_calls_at_work_and_in_the_queue() {
    let limits = config::Queue { length: 2, timeout: HOUR };
    let queue: &Queue = Box::leak(Box::new(Queue::new(2, &limits).averaged()));
    let working = [admit(queue).await, admit(queue).await];
    let mut waiting = [spawn(admit(queue)), spawn(admit(queue))];
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    assert_ready_err!(spawn(admit(queue)).poll());
    assert_eq!(queue.utilization(), 0.0);
    let is_near = |value: f64| (queue.utilization() - value).abs() < 0.01;
    advance(HOUR).await;
    assert!(is_near(2.0), "{}", queue.utilization());

    // One leaves the queue, and the other takes a worker.
    let [leaves, mut stays] = waiting;
    drop((leaves, working));
    let _worker = assert_ready_ok!(stays.poll());
    assert!(is_near(2.0), "{}", queue.utilization());
    advance(HOUR).await;
    assert!(is_near(0.5), "{}", queue.utilization());
}
