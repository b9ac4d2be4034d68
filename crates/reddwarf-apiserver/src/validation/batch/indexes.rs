//! Lists of a job's indexes as text: `1,3-5`.

/// The number of indexes in a list, each below `completions` and above the one before.
///
/// # Errors
/// Says what is wrong with the list.
pub(super) fn total(list: &str, completions: i64) -> Result<i64, String> {
    if list.is_empty() {
        return Ok(0);
    }
    let mut last = None;
    let mut total = 0;
    for part in list.split(',') {
        let (from, to) = interval(part, completions)?;
        if let Some(last) = last.filter(|last| *last >= from) {
            return Err(format!("non-increasing order, previous: {last}, current: {from}"));
        }
        total += to - from + 1;
        last = Some(to);
    }
    Ok(total)
}

/// The first index that stands in both lists. Parts that do not parse are left out.
pub(super) fn overlap(first: &str, second: &str, completions: i64) -> Option<i64> {
    let parts = |list: &str| -> Vec<(i64, i64)> {
        list.split(',').filter_map(|part| interval(part, completions).ok()).collect()
    };
    let (first, second) = (parts(first), parts(second));
    let (mut i, mut j) = (0, 0);
    while let (Some(a), Some(b)) = (first.get(i), second.get(j)) {
        if a.0 <= b.1 && b.0 <= a.1 {
            return Some(a.0.max(b.0));
        }
        if a.0 <= b.0 { i += 1 } else { j += 1 }
    }
    None
}

fn interval(part: &str, completions: i64) -> Result<(i64, i64), String> {
    let limits: Vec<&str> = part.split('-').collect();
    let number = |text: &str| {
        let number: i64 = text
            .parse()
            .map_err(|_| format!("cannot convert string to integer for index: {text:?}"))?;
        match number < completions {
            true => Ok(number),
            false => Err(format!("too large index: {text:?}")),
        }
    };
    match limits[..] {
        [one] => number(one).map(|n| (n, n)),
        [from, to] => {
            let (from, to) = (number(from)?, number(to)?);
            if from >= to {
                return Err(format!("non-increasing order, previous: {from}, current: {to}"));
            }
            Ok((from, to))
        }
        _ => Err(format!(
            "the fragment {part:?} violates the requirement that an index interval can have at most two parts separated by '-'"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(total("", 5), Ok(0));
        assert_eq!(total("0,2-4", 5), Ok(4));
        for (list, why) in [
            ("1,1", "non-increasing order, previous: 1, current: 1"),
            ("3-2", "non-increasing order, previous: 3, current: 2"),
            ("5", "too large index: \"5\""),
            ("a", "cannot convert string to integer for index: \"a\""),
        ] {
            assert_eq!(total(list, 5), Err(why.to_owned()), "{list}");
        }
        assert!(total("1-2-3", 5).is_err());
    }

    #[test]
    fn overlaps() {
        assert_eq!(overlap("0-2,5", "3-4", 9), None);
        assert_eq!(overlap("0-2,5", "3-6", 9), Some(5));
        assert_eq!(overlap("x,1", "1", 9), Some(1));
    }
}
