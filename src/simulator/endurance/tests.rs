use super::*;

#[test]
fn the_seed_decides_everything() {
    let run = || endure(7, LIFE_HOURS + 1).unwrap();
    let tally = run();
    assert_eq!(run(), tally);
    assert_eq!(tally.hours, LIFE_HOURS + 1);
}
