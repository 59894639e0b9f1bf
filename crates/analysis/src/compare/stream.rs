//! Random numbers for relabeling, the same in every run of the program.

/// `SplitMix64` of Steele, Lea & Flood 2014, *Fast splittable pseudorandom number generators*.
pub(super) struct Stream(u64);

impl Stream {
    pub(super) fn new(name: u64) -> Self {
        Self(name)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence() {
        // The first outputs for the seed 1234567, as listed on Rosetta Code.
        let mut stream = Stream::new(1_234_567);
        let first: [u64; 3] = std::array::from_fn(|_| stream.next());
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }
}
