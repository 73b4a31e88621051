use super::*;

const UNAVAILABLE: Verdict = Verdict::Failed(Code::Unavailable, Pushback::None);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn with_pushback(code: Code, milliseconds: u64) -> Verdict {
    Verdict::Failed(code, Pushback::After(ms(milliseconds)))
}

/// Returns the time and the number of previous attempts of each attempt, if the attempts end
/// with these verdicts, and with a response after them.
async fn attempts(
    throttle: &Throttle,
    timeout: Option<Duration>,
    verdicts: &[Verdict],
) -> Vec<(Duration, u32)> {
    let start = Instant::now();
    let mut made = Vec::new();
    let mut retries = Retries::new(throttle, MAX_ATTEMPTS, timeout.map(|timeout| start + timeout));
    loop {
        made.push((start.elapsed(), retries.previous()));
        let verdict = verdicts.get(made.len() - 1).copied().unwrap_or(Verdict::Committed);
        if !retries.next_attempt(verdict).await {
            break;
        }
    }
    made
}

#[tokio::test(start_paused = true)]
async fn unavailable_is_retried_up_to_five_attempts_with_delays_that_double() {
    let made = attempts(&Throttle::new(), None, &[UNAVAILABLE; 9]).await;
    assert_eq!(made.len(), 5);
    for (index, delay) in [100, 200, 400, 800].into_iter().enumerate() {
        let waited = made[index + 1].0 - made[index].0;
        // tokio's timers end on the next whole millisecond.
        assert!(waited >= ms(delay * 4 / 5) && waited <= ms(delay * 6 / 5 + 1), "{waited:?}");
        assert_eq!(made[index + 1].1 as usize, index + 1);
    }
}

/// Fewer than the attempts after which the throttle allows no more.
#[tokio::test(start_paused = true)]
async fn a_call_has_no_more_attempts_than_its_limit() {
    for limit in 1..5 {
        let throttle = Throttle::new();
        let mut retries = Retries::new(&throttle, limit, None);
        let mut made = 1;
        while retries.next_attempt(UNAVAILABLE).await {
            made += 1;
        }
        assert_eq!(made, limit);
    }
}

#[tokio::test(start_paused = true)]
async fn other_codes_are_not_retried_even_with_a_pushback() {
    for verdict in [
        Verdict::Failed(Code::Internal, Pushback::None),
        Verdict::Failed(Code::ResourceExhausted, Pushback::None),
        with_pushback(Code::DeadlineExceeded, 1),
    ] {
        assert_eq!(attempts(&Throttle::new(), None, &[verdict]).await.len(), 1, "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pushback_sets_the_delay_and_resets_the_backoff() {
    let verdicts =
        [UNAVAILABLE, UNAVAILABLE, with_pushback(Code::ResourceExhausted, 1234), UNAVAILABLE];
    let made = attempts(&Throttle::new(), None, &verdicts).await;
    assert_eq!(made.len(), 5);
    let waited = made[3].0 - made[2].0;
    assert!(waited >= ms(1234) && waited <= ms(1236), "{waited:?}");
    assert!(made[4].0 - made[3].0 <= ms(121), "{made:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pushback_of_never_ends_the_retries() {
    let never = Verdict::Failed(Code::Unavailable, Pushback::Never);
    assert_eq!(attempts(&Throttle::new(), None, &[never]).await.len(), 1);
}

#[test]
fn a_pushback_that_is_not_a_valid_number_means_never() {
    for (text, pushback) in [
        ("0", Pushback::After(ms(0))),
        ("250", Pushback::After(ms(250))),
        ("-1", Pushback::Never),
        ("soon", Pushback::Never),
        ("", Pushback::Never),
        ("3000000000", Pushback::Never),
    ] {
        let mut headers = HeaderMap::new();
        assert_eq!(Pushback::read(&headers), Pushback::None);
        headers.insert(PUSHBACK, text.parse().expect("a value"));
        assert_eq!(Pushback::read(&headers), pushback, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_ends_after_the_deadline_is_not_begun() {
    let start = Instant::now();
    let verdicts = [with_pushback(Code::ResourceExhausted, 5000)];
    assert_eq!(attempts(&Throttle::new(), Some(ms(5000)), &verdicts).await.len(), 1);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(attempts(&Throttle::new(), Some(ms(5001)), &verdicts).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_not_sent_is_sent_again_without_limit_and_does_not_count() {
    let throttle = Throttle::new();
    let made = attempts(&throttle, None, &[Verdict::NotSent; 50]).await;
    assert_eq!(made.len(), 51);
    assert_eq!(made[50], (Duration::ZERO, 0));
    assert!(throttle.is_full());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_not_processed_gets_one_transparent_retry() {
    let made = attempts(&Throttle::new(), None, &[Verdict::NotProcessed; 9]).await;
    // The transparent retry is in addition to the five attempts.
    assert_eq!(made.len(), 6);
    assert_eq!(made[1], (Duration::ZERO, 0));
    assert!(made[2].0 > ms(79), "{made:?}");
    assert_eq!(made[2].1, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_body_is_consumed_is_not_retried() {
    for verdict in
        [UNAVAILABLE, Verdict::NotSent, Verdict::NotProcessed, with_pushback(Code::Unavailable, 1)]
    {
        let throttle = Throttle::new();
        let mut retries = Retries::new(&throttle, MAX_ATTEMPTS, None);
        retries.commit();
        assert!(!retries.next_attempt(verdict).await, "{verdict:?}");
        assert_eq!(retries.previous(), 0);
        assert!(!throttle.is_full(), "it counts as a failure");
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_stops_retries_until_enough_calls_succeed() {
    let throttle = Throttle::new();
    // Four retries and the last failure leave five tokens of ten, which is not above half.
    assert_eq!(attempts(&throttle, None, &[UNAVAILABLE; 9]).await.len(), 5);
    assert_eq!(attempts(&throttle, None, &[UNAVAILABLE; 9]).await.len(), 1);
    for _ in 0..21 {
        attempts(&throttle, None, &[]).await;
    }
    assert_eq!(attempts(&throttle, None, &[UNAVAILABLE]).await.len(), 2);
}
