use std::{
    future::{pending, ready},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::*;

/// A resolver that counts its look-ups. They fail while `fails` is set.
struct Counted {
    resolver: Arc<Resolver>,
    lookups: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

impl Counted {
    fn new() -> Self {
        let lookups = Arc::new(AtomicUsize::new(0));
        let fails = Arc::new(AtomicBool::new(false));
        let (counter, is_failing) = (Arc::clone(&lookups), Arc::clone(&fails));
        let resolver = Resolver::new(move |_| {
            counter.fetch_add(1, Relaxed);
            Box::pin(ready(if is_failing.load(Relaxed) {
                Err(io::Error::other("no such name"))
            } else {
                Ok(vec![([127, 0, 0, 1], 0).into()])
            }))
        });
        Self { resolver, lookups, fails }
    }

    /// Follows a name until the handle is dropped.
    fn follow(&self, name: &str) -> (watch::Sender<bool>, AbortOnDropHandle<()>) {
        let (lost, losses) = watch::channel(false);
        let mut resolution = self.resolver.follow(name, losses);
        let follow = async move {
            loop {
                let _ = resolution.next().await;
            }
        };
        (lost, AbortOnDropHandle::new(tokio::spawn(follow)))
    }

    /// Returns how many look-ups there are in this time.
    async fn lookups_in(&self, seconds: u64) -> usize {
        self.lookups.store(0, Relaxed);
        sleep(Duration::from_secs(seconds)).await;
        self.lookups.load(Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn all_followers_of_a_name_share_one_resolution_every_30_seconds() {
    let counted = Counted::new();
    let _fifty: Vec<_> = (0..50).map(|_| counted.follow("servers")).collect();
    assert_eq!(counted.lookups_in(29).await, 1);
    let _late = counted.follow("servers");
    assert_eq!(counted.lookups_in(300).await, 10);
    let _other = counted.follow("others");
    assert_eq!(counted.lookups_in(1).await, 1, "names are independent");
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_resolves_the_name_sooner_with_backoff() {
    let counted = Counted::new();
    let followed: Vec<_> = (0..50).map(|_| counted.follow("servers")).collect();
    counted.lookups_in(10).await;
    for (lost, _) in &followed {
        lost.send_replace(true);
    }
    assert_eq!(counted.lookups_in(0).await + counted.lookups_in(1).await, 1, "at once");
    // After 1, 3, 7, 15 and 31 s, and then every 30 s, with a jitter of 20 %.
    let many = counted.lookups_in(40).await;
    assert!((4..=6).contains(&many), "{many}");
    let many = counted.lookups_in(300).await;
    assert!((10..=13).contains(&many), "{many}");
    for (lost, _) in &followed {
        lost.send_replace(false);
    }
    counted.lookups_in(60).await;
    followed[0].0.send_replace(true);
    let many = counted.lookups_in(10).await;
    assert!((2..=5).contains(&many), "{many}: the backoff begins again");
}

#[tokio::test(start_paused = true)]
async fn a_failed_resolution_is_tried_again_with_backoff() {
    let counted = Counted::new();
    counted.fails.store(true, Relaxed);
    let _followed: Vec<_> = (0..50).map(|_| counted.follow("servers")).collect();
    // At once, and after 1, 3, 7, 15 and 31 s, with a jitter of 20 %.
    let many = counted.lookups_in(20).await;
    assert!((4..=6).contains(&many), "{many}");
    counted.fails.store(false, Relaxed);
    counted.lookups_in(60).await;
    assert_eq!(counted.lookups_in(300).await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_resolution_is_started_again_by_the_next_follower() {
    let begun = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&begun);
    let resolver = Resolver::new(move |_| {
        if counter.fetch_add(1, Relaxed) == 0 {
            Box::pin(pending())
        } else {
            Box::pin(ready(Ok(vec![([127, 0, 0, 1], 0).into()])))
        }
    });
    let (_lost, losses) = watch::channel(false);
    let mut first = resolver.follow("servers", losses.clone());
    let mut second = resolver.follow("servers", losses);
    let second = tokio::spawn(async move { second.next().await });
    assert!(timeout(Duration::from_secs(1), first.next()).await.is_err(), "it hangs");
    let found = second.await.expect("no panic").expect("found");
    assert_eq!(found.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_recent_result_outlives_the_channel() {
    let counted = Counted::new();
    let once = async |name| {
        let (_lost, losses) = watch::channel(false);
        counted.resolver.follow(name, losses).next().await.expect("found");
    };
    for _ in 0..10 {
        once("servers").await;
    }
    assert_eq!(counted.lookups.load(Relaxed), 1);
    sleep(INTERVAL).await;
    once("others").await;
    assert_eq!(counted.resolver.names.lock().expect("no panic").len(), 1, "the old one is gone");
    once("servers").await;
    assert_eq!(counted.lookups.load(Relaxed), 3);
}
