//! Which plugin comes before which.

/// How far each one is from those that need nothing: 0 for such, else 1 more than the farthest of those that it needs.
///
/// `needs` has the positions of those that each needs.
///
/// # Errors
/// Some that need each other in a circle, in that order.
pub(crate) fn depths(needs: &[Vec<usize>]) -> Result<Vec<u32>, Vec<usize>> {
    let mut depths = vec![0; needs.len()];
    let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (position, needed) in needs.iter().enumerate() {
        for needed in needed {
            if let Some(by) = needed_by.get_mut(*needed) {
                by.push(position);
            }
        }
    }
    let mut ready: Vec<usize> = (0..needs.len()).filter(|position| open.get(*position) == Some(&0)).collect();
    let mut done = vec![false; needs.len()];
    while let Some(position) = ready.pop() {
        if let Some(done) = done.get_mut(position) {
            *done = true;
        }
        let depth = depths.get(position).map_or(0, |depth| depth + 1);
        for by in needed_by.get(position).into_iter().flatten() {
            let (Some(own), Some(left)) = (depths.get_mut(*by), open.get_mut(*by)) else { continue };
            *own = depth.max(*own);
            *left -= 1;
            if *left == 0 {
                ready.push(*by);
            }
        }
    }
    match done.iter().position(|done| !done) {
        None => Ok(depths),
        Some(first) => Err(circle(needs, &done, first)),
    }
}

/// Follows needs that are not met until one comes again.
fn circle(needs: &[Vec<usize>], done: &[bool], first: usize) -> Vec<usize> {
    let mut way = vec![first];
    while let Some(next) = way
        .last()
        .and_then(|last| needs.get(*last))
        .and_then(|needed| needed.iter().copied().find(|needed| done.get(*needed) == Some(&false)))
    {
        if let Some(begin) = way.iter().position(|known| *known == next) {
            return way.split_off(begin);
        }
        way.push(next);
    }
    way // Not reached: whoever is not done needs somebody who is not.
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_is_needed_comes_first() {
        assert_eq!(depths(&[]), Ok(vec![]));
        assert_eq!(depths(&[vec![1, 2], vec![2], vec![]]), Ok(vec![2, 1, 0]));
        assert_eq!(depths(&[vec![], vec![0], vec![0], vec![1, 2]]), Ok(vec![0, 1, 1, 2]));
        assert_eq!(depths(&[vec![1, 1], vec![]]), Ok(vec![1, 0]), "said twice");
    }

    #[test]
    fn a_circle_is_told() {
        assert_eq!(depths(&[vec![0]]), Err(vec![0]));
        assert_eq!(depths(&[vec![1], vec![2], vec![1], vec![]]), Err(vec![1, 2]));
    }

    proptest! {
        #[test]
        fn depths_grow_along_needs_or_there_is_a_circle(
            needs in (1..8_usize).prop_flat_map(|n| prop::collection::vec(prop::collection::vec(0..n, 0..3), n)),
        ) {
            match depths(&needs) {
                Ok(depths) => {
                    for (position, needed) in needs.iter().enumerate() {
                        for needed in needed {
                            prop_assert!(depths[*needed] < depths[position]);
                        }
                    }
                }
                Err(circle) => {
                    for (position, one) in circle.iter().enumerate() {
                        prop_assert!(needs[*one].contains(&circle[(position + 1) % circle.len()]));
                    }
                }
            }
        }
    }
}
