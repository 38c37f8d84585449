//! Values of replies, read as leniently as may be: numbers come as strings, fields are missing, more of them come.

use serde_json::Value;

/// The longest name of a hashtag or text of a video that is kept, in characters.
const TEXT_CHARS_MAX: usize = 300;
/// No list is longer.
const RANK_MAX: u64 = 10_000;
/// More points of a curve are not kept: the longest period has a day for each of 120.
const POINTS_MAX: usize = 120;

/// A number that counts something; one with a fraction is cut.
pub(super) fn count(value: &Value) -> Option<u64> {
    let whole = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    // Where there is a fraction, or an exponent. The cast saturates.
    whole.or_else(|| real(value).filter(|number| *number >= 0.0).map(|number| number as u64))
}

/// A place in a list, from 1; 0 if it is none.
pub(super) fn rank(value: &Value) -> usize {
    let rank = count(value).filter(|rank| *rank <= RANK_MAX);
    rank.and_then(|rank| usize::try_from(rank).ok()).unwrap_or(0)
}

/// A finite number.
pub(super) fn real(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

/// A text that says something, cut; a number as its digits.
pub(super) fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().chars().take(TEXT_CHARS_MAX).collect(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    (!text.is_empty()).then_some(text)
}

/// The items of a list; of anything else none.
pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Points of a curve in the order of what they are called by.
pub(super) fn curve(points: &Value, at: &str, value: &str) -> Vec<f64> {
    let mut points: Vec<_> = items(points)
        .iter()
        .take(POINTS_MAX)
        .filter_map(|point| Some((moment(&point[at]), real(&point[value])?)))
        .collect();
    points.sort_by(|a, b| a.0.cmp(&b.0));
    points.into_iter().map(|(_, value)| value).collect()
}

/// What orders points: a second of the epoch as a number, or a date as a text.
fn moment(value: &Value) -> (u64, String) {
    match count(value) {
        Some(second) => (second, String::new()),
        None => (0, text(value).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_come_in_any_form() {
        for (value, whole, broken) in [
            (json!(12), Some(12), Some(12.0)),
            (json!("12"), Some(12), Some(12.0)),
            (json!(" 12.7 "), Some(12), Some(12.7)),
            (json!(1e3), Some(1000), Some(1000.0)),
            (json!(1e300), Some(u64::MAX), Some(1e300)),
            (json!(u64::MAX.to_string()), Some(u64::MAX), Some(u64::MAX as f64)),
            (json!(-1), None, Some(-1.0)),
            (json!("NaN"), None, None),
            (json!("inf"), None, None),
            (json!("1.2M"), None, None),
            (json!(""), None, None),
            (json!(null), None, None),
            (json!([1]), None, None),
        ] {
            assert_eq!((count(&value), real(&value)), (whole, broken), "{value}");
        }
    }

    #[test]
    fn a_place_is_one_in_a_list() {
        for (value, expected) in
            [(json!("3"), 3), (json!(1), 1), (json!(0), 0), (json!(1e9), 0), (json!("NEW"), 0)]
        {
            assert_eq!(rank(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_curve_is_in_order_and_bounded() {
        let points = json!([{"t": "30", "v": 3}, {"t": 10, "v": "1"}, {"t": 20}, {"t": 25, "v": 2}, 7, null]);
        assert_eq!(curve(&points, "t", "v"), [1.0, 2.0, 3.0]);
        let dates = json!([{"t": "2026-11-02", "v": 2}, {"t": "2026-11-01", "v": 1}]);
        assert_eq!(curve(&dates, "t", "v"), [1.0, 2.0]);
        let many: Vec<_> = (0..1000).map(|at| json!({"t": at, "v": at})).collect();
        assert_eq!(curve(&json!(many), "t", "v").len(), POINTS_MAX);
        assert_eq!(curve(&json!("no"), "t", "v"), [0.0; 0]);
    }

    #[test]
    fn texts_are_cut_and_say_something() {
        assert_eq!(text(&json!(" a ")).as_deref(), Some("a"));
        assert_eq!(text(&json!(7_506_219_246_691_926_062_u64)).as_deref(), Some("7506219246691926062"));
        for value in [json!(""), json!("  "), json!(null), json!({}), json!(["a"])] {
            assert_eq!(text(&value), None, "{value}");
        }
        assert_eq!(text(&json!("é".repeat(1000))).map(|text| text.chars().count()), Some(TEXT_CHARS_MAX));
    }
}
