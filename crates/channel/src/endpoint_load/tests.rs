use tokio::time::advance;

use super::*;

fn load() -> Arc<EndpointLoad> {
    EndpointLoad::new(Socket::Ip(([127, 0, 0, 1], 1).into()))
}

#[test]
fn an_attempt_is_in_flight_until_it_ends_or_is_dropped() {
    let load = load();
    let cost = || load.cost(Instant::now());
    let (first, second) = (load.begin(None), load.begin(None));
    assert_eq!(cost(), 2 * CALL);
    first.end(true);
    assert_eq!(cost(), CALL);
    drop(second);
    assert_eq!(cost(), 0);
    assert_eq!(load.take_outcomes(), (1, 0), "the one that was dropped is neither");
}

#[tokio::test(start_paused = true)]
async fn a_failure_costs_a_call_at_first_and_half_of_it_a_second_later() {
    let load = load();
    let cost = || load.cost(Instant::now());
    load.begin(None).end(false);
    load.begin(None).end(false);
    assert_eq!(cost(), 2 * CALL);
    advance(HALF_LIFE).await;
    assert_eq!(cost(), CALL);
    load.begin(None).end(false);
    assert_eq!(cost(), 2 * CALL);
    advance(8 * HALF_LIFE).await;
    assert_eq!(cost(), 0);
    assert_eq!(load.take_outcomes(), (0, 3));
    assert_eq!(load.take_outcomes(), (0, 0), "the count begins again");
}

#[tokio::test(start_paused = true)]
async fn many_failures_do_not_overflow() {
    let load = load();
    (0..2000).for_each(|_| load.begin(None).end(false));
    assert_eq!(load.cost(Instant::now()), u64::from(u16::MAX));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_dropped_at_its_deadline_has_failed() {
    let load = load();
    let in_flight = load.begin(Some(Instant::now() + HALF_LIFE));
    advance(HALF_LIFE).await;
    drop(in_flight);
    assert_eq!(load.take_outcomes(), (0, 1));
}
