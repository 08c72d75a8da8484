use super::*;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const FAILED: Observation = Observation {
    failed: true,
    neutral: false,
    retry_after: None,
    first_token: None,
    tokens_per_second: None,
};
const WELL: Observation = Observation { failed: false, ..FAILED };

fn at(seconds: u64) -> Duration {
    Duration::from_secs(1_000_000 + seconds)
}

/// Workers of one host.
fn workers<const N: usize>() -> [Health; N] {
    let store: Rc<dyn Store> = Rc::new(Memory::default());
    let workers = [(); N].map(|()| Health::new(store.clone()));
    workers.iter().for_each(Health::create_values);
    workers
}

fn tell(workers: &mut [Health], now: Duration) {
    for _ in 0..2 {
        workers.iter_mut().for_each(|worker| worker.flush(now));
    }
}

#[test]
fn successes_wait_unless_an_outage_may_be_told_by_them() {
    let mut health = Health::default();
    health.enter("a", WELL, at(0));
    assert_eq!(health.uptime("a", Window::Day, at(0)), None);
    health.sync(at(0));
    assert_eq!(health.uptime("a", Window::Day, at(0)), Some(100.0));
    health.enter("a", WELL, at(0));
    (0..3).for_each(|_| health.enter("a", FAILED, at(0)));
    assert_eq!(health.uptime("a", Window::Day, at(0)), Some(40.0));
    assert!(health.in_outage("a", at(0)));
    health.enter("a", WELL, at(0));
    assert_eq!(health.uptime("a", Window::Day, at(0)), Some(50.0));
    assert!(health.in_outage("a", at(0)));
    health.enter("a", WELL, at(0));
    assert!(!health.in_outage("a", at(0)));
}

#[test]
fn three_failures_and_half_of_the_tries_are_an_outage_for_thirty_seconds() {
    let mut health = Health::default();
    health.observe("a", FAILED, at(0));
    health.observe("a", FAILED, at(1));
    assert!(!health.in_outage("a", at(1)));
    health.observe("a", FAILED, at(2));
    assert!(health.in_outage("a", at(2)));
    for _ in 0..4 {
        health.observe("a", WELL, at(3));
    }
    assert!(!health.in_outage("a", at(3)), "three of seven");
    health.observe("a", FAILED, at(4));
    assert!(health.in_outage("a", at(4)), "four of eight");
    assert_eq!(
        (health.standing("a", at(4)), health.standing("b", at(4))),
        (Standing::Down, Standing::Normal)
    );
    assert!(!health.in_outage("a", at(40)), "forgotten");
    assert!(!health.in_outage("b", at(4)), "another endpoint");
}

#[test]
fn failures_of_all_workers_are_one_outage_at_once() {
    let mut all = workers::<3>();
    for worker in &mut all {
        worker.observe("a", FAILED, at(0));
    }
    for worker in &mut all {
        worker.refresh(at(1));
        assert!(worker.in_outage("a", at(1)));
    }
    let [one, two, _] = &mut all;
    (0..4).for_each(|_| one.observe("a", WELL, at(2)));
    assert!(!one.in_outage("a", at(2)) && two.in_outage("a", at(2)), "successes can wait");
    tell(&mut all, at(2));
    assert!(all.iter().all(|worker| !worker.in_outage("a", at(2))));
    assert!(all.iter().all(|worker| worker.failed_share("a", at(2)) == 3.0 / 7.0));
    tell(&mut all, at(60));
    assert!(all.iter().all(|worker| worker.alerts.is_empty()), "nothing is left to be looked at");
}

/// A failure whose answer says when to come again.
fn wait(seconds: u64) -> Observation {
    Observation { retry_after: Some(Duration::from_secs(seconds)), ..FAILED }
}

#[test]
fn retry_after_is_a_cooldown_with_an_upper_bound_for_all_workers() {
    let [mut one, mut two] = workers();
    one.observe("a", wait(7), at(0));
    two.refresh(at(0));
    for health in [&one, &two] {
        assert!(health.in_cooldown("a", at(6)) && !health.in_cooldown("b", at(6)));
        assert!(!health.in_cooldown("a", at(7)));
    }
    two.observe("a", wait(1_000_000), at(10));
    one.refresh(at(10));
    assert!(one.in_cooldown("a", at(10 + 599)) && !one.in_cooldown("a", at(10 + 600)));
}

#[test]
fn nothing_is_read_again_that_has_not_changed_nor_told_on_a_healthy_path() {
    #[derive(Debug, Default)]
    struct Counted(Memory, std::cell::Cell<(u32, u32)>);
    impl Store for Counted {
        fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
            let (reads, writes) = self.1.get();
            self.1.set((reads + 1, writes));
            self.0.read(key)
        }
        fn write(&self, key: &str, value: &[u8], version: u32) -> bool {
            let (reads, writes) = self.1.get();
            self.1.set((reads, writes + 1));
            self.0.write(key, value, version)
        }
    }
    let store = Rc::new(Counted::default());
    let mut health = Health::new(store.clone());
    health.create_values();
    store.1.take();
    for exchange in 0..10 {
        let now = at(0) + exchange * FRESH / 5;
        health.refresh(now);
        health.observe("a", WELL, now);
    }
    assert_eq!(store.1.take(), (2, 0), "one look in that time, however many exchanges");
    health.refresh(at(0));
    assert_eq!(store.1.take(), (1, 0), "a clock that was put back");
    for _ in 0..1_000 {
        health.observe("a", FAILED, at(0));
    }
    let (_, writes) = store.1.take();
    assert_eq!(
        writes, 10,
        "from half of the tries on, that the outage goes on is not told at once"
    );
}

#[test]
fn percentages_order_from_a_hundred_requests_in_five_minutes_on() {
    // Columns: successes, failures, and what they make of the endpoint.
    for (well, failed, expected) in [
        (95, 5, Standing::Normal),
        (94, 6, Standing::Degraded),
        (80, 20, Standing::Degraded),
        (79, 21, Standing::Down),
        (49, 50, Standing::Normal),
    ] {
        let mut all = workers::<2>();
        for n in 0..well + failed {
            all[n % 2].observe("a", if n < failed { FAILED } else { WELL }, at(30));
        }
        (0..50).for_each(|_| all[0].observe("a", Observation { neutral: true, ..WELL }, at(30)));
        (0..50).for_each(|_| all[0].observe("a", Observation { neutral: true, ..FAILED }, at(30)));
        tell(&mut all, at(100));
        let standings = all.each_ref().map(|health| health.standing("a", at(100)));
        assert_eq!(standings, [expected; 2], "{well} {failed}");
        tell(&mut all, at(400));
        assert_eq!(all[0].standing("a", at(400)), Standing::Normal);
    }
}

#[test]
fn percentiles_are_of_the_last_minutes_and_of_all_workers() {
    let (five_minutes, first_token) = (Window::FiveMinutes, Measure::FirstToken);
    let mut all = workers::<2>();
    for n in 1..=100 {
        all[n as usize % 2].observe("a", Observation::measured(n, n as f64), at(n));
    }
    assert_eq!(all[0].percentile("b", first_token, five_minutes, 50, at(100)), None);
    tell(&mut all, at(100));
    for health in &all {
        for (measure, share, expected) in [
            (Measure::FirstToken, 50, 50.0),
            (Measure::FirstToken, 75, 75.0),
            (Measure::FirstToken, 90, 90.0),
            (Measure::FirstToken, 99, 99.0),
            (Measure::Throughput, 50, 51.0),
            (Measure::Throughput, 75, 26.0),
            (Measure::Throughput, 90, 11.0),
            (Measure::Throughput, 99, 2.0),
        ] {
            assert_near(health.percentile("a", measure, five_minutes, share, at(100)), expected);
        }
        assert!(health.percentile("a", first_token, five_minutes, 50, at(240)).is_some());
        assert_eq!(health.percentile("a", first_token, five_minutes, 50, at(400)), None);
        // The percentiles are of five minutes, but the median is of half an hour.
        assert_near(health.median("a", first_token, at(400)), 50.0);
        assert_eq!(health.median("a", first_token, at(3_600)), None);
    }
}

/// Allows for the error of the buckets that measures are kept in.
#[track_caller]
fn assert_near(measured: Option<f64>, expected: f64) {
    let is_near = measured.is_some_and(|it| (it / expected - 1.0).abs() < 0.035);
    assert!(is_near, "{measured:?} is not near {expected}");
}

#[test]
fn uptimes_leave_out_what_was_limited_or_the_clients_mistake() {
    let mut all = workers::<2>();
    all[0].observe("a", WELL, at(0));
    all[1].observe("a", FAILED, at(0));
    tell(&mut all, at(0));
    assert_eq!(
        [Window::FiveMinutes, Window::HalfHour].map(|it| all[0].uptime("a", it, at(0))),
        [Some(50.0); 2]
    );
    all[1].observe("a", WELL, at(4_000));
    all[1].observe("a", Observation { neutral: true, ..FAILED }, at(4_000));
    all[1].observe("a", Observation { neutral: true, ..WELL }, at(4_000));
    tell(&mut all, at(4_000));
    let day = 200.0 / 3.0;
    for (window, now, expected) in [
        (Window::FiveMinutes, at(4_000), Some(100.0)),
        (Window::HalfHour, at(4_000), Some(100.0)),
        (Window::Day, at(4_000), Some(day)),
        (Window::Day, at(80_000), Some(day)),
        (Window::Day, at(100_000), None),
    ] {
        assert_eq!(all[0].uptime("a", window, now), expected, "{window:?} {now:?}");
    }
    assert_eq!(all[0].uptime("b", Window::Day, at(0)), None);
}

#[test]
fn a_worker_that_begins_later_knows_what_the_others_do() {
    let store: Rc<dyn Store> = Rc::new(Memory::default());
    let mut old = Health::new(store.clone());
    (0..3).for_each(|_| old.observe("a", FAILED, at(0)));
    old.observe("b", WELL, at(0));
    old.flush(at(1));
    let mut new = Health::new(store);
    new.create_values();
    new.refresh(at(1));
    assert!(new.in_outage("a", at(1)));
    new.flush(at(1));
    assert_eq!(
        (new.uptime("a", Window::Day, at(1)), new.uptime("b", Window::Day, at(1))),
        (Some(0.0), Some(100.0))
    );
}

#[test]
fn a_probe_ends_when_it_is_told_or_forgotten() {
    let mut health = Health::default();
    health.begin_probe("a", at(0));
    assert!(
        health.is_probed("a", at(59))
            && !health.is_probed("b", at(0))
            && !health.is_probed("a", at(60))
    );
    health.end_probe("a");
    assert!(!health.is_probed("a", at(1)));
}
