//! Moments since the start, as the history keeps them, and the phases of HAR: their sum is the whole time.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::Timings;

/// The phases, in milliseconds; -1 where a phase is unknown or did not happen. `connect` includes `ssl`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Phases {
    blocked: f64,
    dns: f64,
    connect: f64,
    ssl: f64,
    send: f64,
    wait: f64,
    receive: f64,
}

/// The phases of an exchange. Name resolution is part of `connect`, and sending of `wait`: they are not timed apart.
pub(super) fn phases(timings: &Timings) -> Phases {
    let total = timings.total_us;
    let first_byte = timings.first_byte_us.unwrap_or(total).min(total);
    let connected = timings.secured_us.or(timings.connected_us).map(|at| at.min(first_byte));
    let secured = timings.secured_us.zip(timings.connected_us);
    Phases {
        blocked: -1.0,
        dns: -1.0,
        connect: connected.map_or(-1.0, ms),
        ssl: secured.map_or(-1.0, |(secured, connected)| ms(secured.saturating_sub(connected))),
        send: 0.0,
        wait: ms(first_byte - connected.unwrap_or(0)),
        receive: ms(total - first_byte),
    }
}

/// Microseconds as milliseconds.
pub(super) fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// The moments that the phases of a file mean; `time` is the whole, in milliseconds.
pub(super) fn moments(phases: &Map<String, Value>, time: Option<f64>) -> Timings {
    let of = |name: &str| phases.get(name).and_then(Value::as_f64).and_then(us);
    let sum = |names: &[&str]| names.iter().filter_map(|name| of(name)).fold(0, u64::saturating_add);
    let connect_end = sum(&["blocked", "dns", "connect"]);
    let ssl = of("ssl").filter(|ssl| *ssl > 0);
    let is_known = ["send", "wait", "receive"].iter().any(|name| of(name).is_some());
    let first_byte = connect_end.saturating_add(sum(&["send", "wait"]));
    let whole = first_byte.saturating_add(of("receive").unwrap_or(0));
    let total_us = time.and_then(us).unwrap_or(whole);
    let connected = of("connect").is_some();
    Timings {
        connected_us: connected.then(|| connect_end.saturating_sub(ssl.unwrap_or(0))),
        secured_us: ssl.filter(|_| connected).map(|_| connect_end),
        first_byte_us: is_known.then(|| first_byte.min(total_us)),
        total_us,
        chunks: Vec::new(),
    }
}

/// Milliseconds as microseconds; none for what is no duration. A century is more than anything takes.
fn us(ms: f64) -> Option<u64> {
    (0.0..=3.2e12).contains(&ms).then(|| (ms * 1000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sum(phases: Phases) -> f64 {
        let all = [phases.blocked, phases.dns, phases.connect, phases.send, phases.wait, phases.receive];
        all.into_iter().filter(|phase| *phase >= 0.0).sum()
    }

    #[test]
    fn phases_add_up_to_the_whole_and_come_back() {
        let of = |connected_us, secured_us, first_byte_us, total_us| Timings {
            connected_us,
            secured_us,
            first_byte_us,
            total_us,
            chunks: Vec::new(),
        };
        for timings in [
            of(Some(1000), Some(3500), Some(9000), 12_345),
            of(Some(1000), None, Some(9000), 9000),
            of(None, None, Some(5), 7),
            of(None, None, None, 0),
            of(Some(10), None, None, 20),
            of(Some(50), Some(60), Some(30), 20),
        ] {
            let phases = phases(&timings);
            assert!((sum(phases) - ms(timings.total_us)).abs() < 1e-6, "{timings:?} {phases:?}");
        }
        let timings = of(Some(1000), Some(3500), Some(9000), 12_345);
        let Value::Object(object) = json!(phases(&timings)) else { panic!("an object") };
        assert_eq!(moments(&object, Some(12.345)), timings);
        assert_eq!(object["blocked"], -1.0);
    }

    #[test]
    fn what_is_missing_or_odd_is_unknown() {
        let Value::Object(odd) = json!({"blocked": null, "connect": -1, "ssl": 3, "send": "x", "wait": 1e300}) else {
            panic!("an object")
        };
        assert_eq!(moments(&odd, Some(-1.0)), Timings::default());
        assert_eq!(moments(&Map::new(), Some(2.5)).total_us, 2500);
    }
}
