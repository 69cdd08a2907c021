//! Bytes with valid checksums and impossible contents: refused without a panic, a hang or a huge allocation.

use proptest::prelude::*;
use thermocline::{Config, Error, Id, Index, Quantization, SearchOptions};

use crate::forge::{Forge, SECTIONS, kind, meta, word32, word64};
use crate::support::{OwnPayload, Rng, sound};

const M: usize = 4;
const END: u32 = u32::MAX;
const TREE: u32 = 1 << 31;

/// Sixty records with upper levels, string ids, payloads, two tombstones.
fn honest(quantization: Quantization) -> Forge {
    let mut index = Index::new(Config { quantization, m: M, ef_construction: 48, ..Config::new(3) }).unwrap();
    let mut rng = Rng(3);
    for i in 0..60u64 {
        let id = if i % 2 == 0 { Id::from(i) } else { Id::from(format!("id {i}").as_str()) };
        index.insert_with_id(id, &rng.vector(3), OwnPayload::of(i).borrow()).unwrap();
    }
    index.delete(&Id::from(10)).unwrap();
    index.delete(&Id::from(20)).unwrap();
    Forge::of(&index.export().unwrap())
}

/// Anything but a panic is a valid answer; whatever is accepted must be sound and must withstand further use.
fn survives(bytes: &[u8]) -> Result<(), Error> {
    let mut index = Index::import(bytes)?;
    sound(&index);
    let dimensions = index.config().dimensions;
    let mut rng = Rng(1);
    for ef in [1, 2, 50] {
        let hits = index.search(&rng.vector(dimensions), SearchOptions::top(3).with_ef(ef)).unwrap();
        assert_eq!(hits.len(), index.len().min(3));
    }
    for _ in 0..20 {
        match index.insert(&rng.vector(dimensions), None) {
            Ok(_) | Err(Error::InvalidId { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let ids: Vec<Id> = index.iter().step_by(3).map(|record| record.id.clone()).collect();
    for id in ids {
        index.delete(&id).unwrap();
    }
    index.compact().unwrap();
    sound(&index);
    // Forged contents must not get into what is written.
    let again = Index::import(&index.export().unwrap()).unwrap();
    assert_eq!(again.len(), index.len());
    Ok(())
}

#[track_caller]
fn refused(name: &str, change: impl Fn(&mut Forge)) {
    for quantization in [Quantization::Int8, Quantization::Binary, Quantization::None] {
        let mut forge = honest(quantization);
        change(&mut forge);
        match survives(&forge.seal()) {
            Err(Error::Corrupt { what }) => assert!(!what.is_empty()),
            Err(error) => panic!("{name}: {error}"),
            Ok(()) => panic!("{name} was accepted"),
        }
    }
}

fn slots(forge: &Forge) -> usize {
    forge.section(kind::LEVELS).len()
}

/// Returns the first slot that reaches at least level 1: the first upper list belongs to it.
fn tall(forge: &Forge) -> usize {
    forge.section(kind::LEVELS).iter().position(|level| (1..16).contains(level)).unwrap()
}

#[test]
fn bytes_that_are_not_forged_are_accepted() {
    for quantization in [Quantization::Int8, Quantization::Binary, Quantization::None] {
        assert_eq!(survives(&honest(quantization).seal()), Ok(()));
    }
}

#[test]
fn versions() {
    for version in [2, 3, 1000, u32::MAX] {
        let mut forge = honest(Quantization::Int8);
        forge.version = version;
        assert_eq!(survives(&forge.seal()), Err(Error::UnsupportedVersion { found: version, supported: 1 }));
    }
    refused("version 0", |forge| forge.version = 0);
    refused("another magic", |forge| forge.magic = *b"\x93thermO\n");
}

#[test]
fn tables_that_lie() {
    refused("a section more", |forge| forge.count = Some(SECTIONS as u32 + 1));
    refused("no sections", |forge| forge.count = Some(0));
    refused("a whole of no bytes", |forge| forge.total = Some(0));
    refused("a whole of all bytes there are", |forge| forge.total = Some(u64::MAX));
    for section in 0..SECTIONS {
        for value in [0, 1, 64, 1 << 32, u64::MAX - 63, u64::MAX] {
            for field in 0..3 {
                refused("a field of the table", |forge| {
                    let len = forge.section(section).len() as u64;
                    let is_true = match field {
                        0 => value == section as u64 + 1,
                        _ => field == 2 && value == len,
                    };
                    // If the value happens to be the true one, forge another.
                    forge.lies.push((section, field, if is_true { value ^ 2 } else { value }));
                });
            }
        }
    }
}

#[test]
fn lengths_that_lie() {
    for section in 0..SECTIONS {
        for change in [-64i64, -8, -4, -1, 1, 4, 8, 64, 4096] {
            refused(&format!("section {section} longer by {change}"), |forge| {
                let len = forge.section(section).len() as i64;
                let changed = if len + change < 0 { len + 1 } else { len + change };
                forge.section_mut(section).resize(changed as usize, 0);
            });
        }
    }
}

#[test]
fn meta_that_lies() {
    let long = |value: u64| value.to_le_bytes();
    let word = |value: u32| value.to_le_bytes();
    for value in [0, 1, 2, 4, 19, 8192, 8193, 1 << 20, u32::MAX] {
        refused("dimensions", |forge| forge.set_meta(meta::DIMENSIONS, &word(value)));
    }
    for value in [0, 3, 5, 16, 64, 65, 1 << 20, u32::MAX] {
        refused("m", |forge| forge.set_meta(meta::M, &word(value)));
    }
    for value in [3, 4, 100, 255] {
        refused("a metric", |forge| forge.set_meta(meta::METRIC, &[value]));
        refused("a quantization", |forge| forge.set_meta(meta::QUANTIZATION, &[value]));
    }
    for value in [0, 7, 4097, u32::MAX] {
        refused("efConstruction", |forge| forge.set_meta(meta::EF_CONSTRUCTION, &word(value)));
    }
    for value in [0, 1_000_001, u32::MAX] {
        refused("ef", |forge| forge.set_meta(meta::EF, &word(value)));
    }
    for value in [f64::NAN, f64::INFINITY, -1.0] {
        refused("a growth of distances", |forge| forge.set_meta(meta::GROWTH_SUM, &long(value.to_bits())));
    }
    refused("a growth that nobody has seen", |forge| {
        forge.set_meta(meta::GROWTH_SUM, &long(1f64.to_bits()));
        forge.set_meta(meta::GROWTH_COUNT, &long(0));
    });
    refused("a threshold of NaN", |forge| forge.set_meta(meta::THRESHOLD, &long(f64::NAN.to_bits())));
    for value in [0, 1, 59, 61, 1 << 24, 1 << 30, (1 << 30) + 1, u32::MAX] {
        refused("slots", |forge| forge.set_meta(meta::SLOTS, &word(value)));
    }
    refused("no entry point", |forge| forge.set_meta(meta::ENTRY, &word(END)));
    for value in [60, 1 << 20, 1 << 30, u32::MAX - 1] {
        refused("the entry point", |forge| forge.set_meta(meta::ENTRY, &word(value)));
    }
}

/// The counter of numbers may have any value: at worst there is no number left to assign.
#[test]
fn a_counter_at_its_end() {
    for value in [Id::MAX_NUMBER, Id::MAX_NUMBER + 1, u64::MAX - 1, u64::MAX] {
        let mut forge = honest(Quantization::Int8);
        forge.set_meta(meta::NEXT_NUMBER, &value.to_le_bytes());
        let outcome = survives(&forge.seal());
        assert!(matches!(outcome, Ok(()) | Err(Error::Corrupt { .. })), "{value}: {outcome:?}");
    }
}

#[test]
fn links_that_lead_nowhere() {
    for link in [60, 61, 1 << 20, 1 << 30, TREE - 1, TREE | 60, TREE | (TREE - 2)] {
        for at in [0, 1, 2 * M, 59 * 2 * M] {
            refused(&format!("link {link:#x} at {at}"), |forge| forge.set_word(kind::BASE_LINKS, at, link));
        }
        refused(&format!("upper link {link:#x}"), |forge| forge.set_word(kind::UPPER_LINKS, 0, link));
    }
    refused("a link to itself", |forge| {
        let own = 5;
        forge.set_word(kind::BASE_LINKS, own * 2 * M, own as u32);
    });
    refused("a link twice", |forge| {
        let first = forge.words(kind::BASE_LINKS)[0] & !TREE;
        forge.set_word(kind::BASE_LINKS, 1, first);
    });
    refused("a hole in a list", |forge| forge.set_word(kind::BASE_LINKS, 0, END));
    refused("an upper link to a node of level 0", |forge| {
        let low = forge.section(kind::LEVELS).iter().position(|level| *level == 0).unwrap();
        forge.set_word(kind::UPPER_LINKS, 0, low as u32);
    });
    refused("a mark on an upper link", |forge| {
        let slot = tall(forge);
        let levels = forge.section(kind::LEVELS).to_vec();
        let other = (0..levels.len()).find(|at| *at != slot && levels[*at] >= 1).unwrap();
        forge.set_word(kind::UPPER_LINKS, 0, other as u32 | TREE);
    });
}

#[test]
fn tree_links_that_form_no_tree_are_refused() {
    refused("all tree links lost on one side", |forge| {
        let mut words = forge.words(kind::BASE_LINKS);
        for word in words.iter_mut().take(2 * M).filter(|word| **word != END) {
            *word &= !TREE;
        }
        forge.set_words(kind::BASE_LINKS, &words);
    });
    refused("every link a tree link", |forge| {
        let mut words = forge.words(kind::BASE_LINKS);
        for word in words.iter_mut().filter(|word| **word != END) {
            *word |= TREE;
        }
        forge.set_words(kind::BASE_LINKS, &words);
    });
    refused("a triangle of tree links", |forge| {
        let mut words = vec![END; forge.words(kind::BASE_LINKS).len()];
        let n = slots(forge) as u32;
        for slot in 0..n {
            let at = slot as usize * 2 * M;
            words[at] = TREE | ((slot + 1) % n);
            words[at + 1] = TREE | ((slot + n - 1) % n);
        }
        forge.set_words(kind::BASE_LINKS, &words);
    });
    refused("islands", |forge| {
        let mut words = forge.words(kind::BASE_LINKS);
        words.fill(END);
        forge.set_words(kind::BASE_LINKS, &words);
    });
}

/// Every record is reachable by ordinary links, until compactions remove some of them.
#[test]
fn links_without_a_tree() {
    for kept in [usize::MAX, 2, 10] {
        refused(&format!("tree links, one in {kept}"), |forge| {
            for slot in 0..slots(forge) {
                for place in 0..2 * M {
                    let at = slot * 2 * M + place;
                    let link = word32(forge.section(kind::BASE_LINKS), 4 * at);
                    let ends = slot + (link & !TREE) as usize;
                    if link != END && ends % kept != 1 {
                        forge.set_word(kind::BASE_LINKS, at, link & !TREE);
                    }
                }
            }
        });
    }
}

#[test]
fn levels_and_upper_lists_that_lie() {
    for level in [1, 2, 15, 16, 17, 200, 254, 255] {
        refused(&format!("level {level}"), |forge| {
            let low = forge.section(kind::LEVELS).iter().position(|held| *held == 0).unwrap();
            forge.section_mut(kind::LEVELS)[low] = level;
        });
    }
    refused("a level too few", |forge| {
        let slot = tall(forge);
        forge.section_mut(kind::LEVELS)[slot] -= 1;
    });
    refused("a level of one node given to another", |forge| {
        let slot = tall(forge);
        let levels = forge.section_mut(kind::LEVELS);
        let low = levels.iter().position(|level| *level == 0).unwrap();
        levels[slot] -= 1;
        levels[low] += 1;
    });
    // As many lists as there are levels, but with a height that no node has.
    for level in [16, 100, 254] {
        refused(&format!("level {level}, with lists for it"), |forge| {
            let slot = tall(forge);
            let more = level - forge.section(kind::LEVELS)[slot];
            forge.section_mut(kind::LEVELS)[slot] = level;
            let first = vec![0xff; usize::from(more) * 4 * M];
            forge.section_mut(kind::UPPER_LINKS).splice(0..0, first);
        });
    }
    for lists in [1, 3, 1000] {
        refused("a list of nobody", |forge| {
            forge.section_mut(kind::UPPER_LINKS).extend(vec![0xff; lists * 4 * M]);
        });
    }
    refused("a list too few", |forge| {
        let len = forge.section(kind::UPPER_LINKS).len();
        forge.section_mut(kind::UPPER_LINKS).truncate(len - 4 * M);
    });
    // Every possible level, but no lists: the levels alone must not cause any allocation.
    refused("levels without lists", |forge| {
        forge.section_mut(kind::LEVELS).fill(15);
        forge.section_mut(kind::UPPER_LINKS).clear();
    });
    let mut forge = honest(Quantization::Int8);
    // A node with empty lists on the upper levels is still sound.
    let slot = tall(&forge);
    let levels = usize::from(forge.section(kind::LEVELS)[slot]);
    forge.section_mut(kind::LEVELS)[slot] = 15;
    forge.section_mut(kind::UPPER_LINKS).splice(levels * 4 * M..levels * 4 * M, vec![0xff; (15 - levels) * 4 * M]);
    survives(&forge.seal()).unwrap();
}

#[test]
fn ids_that_lie() {
    refused("a number twice", |forge| forge.set_long(kind::IDS, 4, 2));
    for number in [1 << 53, 1 << 62, u64::MAX - 1] {
        refused("a number that is none", |forge| forge.set_long(kind::IDS, 0, number));
    }
    refused("a string of no bytes", |forge| forge.set_long(kind::IDS, 1, 1 << 63));
    refused("a string too long", |forge| forge.set_long(kind::IDS, 1, 1 << 63 | 4097 << 48));
    refused("a string from beyond", |forge| forge.set_long(kind::IDS, 1, 1 << 63 | 4 << 48 | 1 << 40));
    refused("a string twice", |forge| {
        let texts = forge.section_mut(kind::ID_TEXTS);
        texts.copy_within(0..4, 4);
    });
    refused("text that is not UTF-8", |forge| forge.section_mut(kind::ID_TEXTS)[0] = 0xff);
    refused("a live record without an id", |forge| forge.set_long(kind::IDS, 0, u64::MAX));
    refused("a tombstone with an id", |forge| {
        let dead = (0..slots(forge)).find(|at| word64(forge.section(kind::IDS), 8 * at) == u64::MAX).unwrap();
        forge.set_long(kind::IDS, dead, 77_777);
    });
}

#[test]
fn records_that_lie() {
    for offset in [1, 4, 1 << 20, 1 << 40, u64::MAX] {
        for at in [0, 1, 30, 60] {
            refused("an offset", |forge| {
                // A value that happens to be true is not forged.
                let is_true = word64(forge.section(kind::RECORD_OFFSETS), 8 * at) == offset;
                forge.set_long(kind::RECORD_OFFSETS, at, if is_true { offset + 8 } else { offset });
            });
        }
    }
    for header in [1, 3 << 30, 3 << 30 | 5, u32::MAX, 1 << 30 | 0x3fff_ffff, 2 << 30 | 0x3fff_fffc, 2 << 30 | 400] {
        refused(&format!("a payload of {header:#x}"), |forge| forge.set_word(kind::RECORDS, 0, header));
    }
    refused("JSON that is not UTF-8", |forge| {
        let second = word64(forge.section(kind::RECORD_OFFSETS), 8) as usize;
        let header = word32(forge.section(kind::RECORDS), second);
        assert_eq!(header >> 30, 1, "the second record carries JSON");
        let vector = if forge.section(kind::CODES).len() == 60 * 16 { 0 } else { 12 };
        forge.section_mut(kind::RECORDS)[second + 4 + vector + 1] = 0xff;
    });
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38] {
        refused(&format!("a vector with {value}"), |forge| {
            // Where the code is the vector, the record has none.
            let kind = if forge.section(kind::CODES).len() == 60 * 16 { kind::CODES } else { kind::RECORDS };
            forge.set_word(kind, 1, value.to_bits());
        });
    }
    refused("a vector without direction", |forge| {
        let (kind, at) =
            if forge.section(kind::CODES).len() == 60 * 16 { (kind::CODES, 0) } else { (kind::RECORDS, 1) };
        (at..at + 3).for_each(|at| forge.set_word(kind, at, 0));
    });
}

/// Codes only hint where to look: any bits must be tolerated there.
#[test]
fn senseless_scales_are_accepted() {
    for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1.0, 0.0, f32::from_bits(1)] {
        for at in [0, 7, 59] {
            let mut forge = honest(Quantization::Int8);
            forge.set_word(kind::SCALES, at, value.to_bits());
            survives(&forge.seal()).unwrap();
        }
    }
    for count in [1, u64::MAX - 1, u64::MAX] {
        let mut forge = honest(Quantization::Int8);
        forge.set_meta(meta::GROWTH_COUNT, &count.to_le_bytes());
        survives(&forge.seal()).unwrap();
    }
}

#[test]
fn senseless_codes_are_accepted_or_refused() {
    for fill in [0x00, 0x7f, 0x80, 0xc0, 0xff] {
        for quantization in [Quantization::Int8, Quantization::Binary, Quantization::None] {
            let mut forge = honest(quantization);
            for kind in [kind::CODES, kind::LOWER_CODES, kind::SCALES] {
                forge.section_mut(kind).fill(fill);
            }
            assert!(matches!(survives(&forge.seal()), Ok(()) | Err(Error::Corrupt { .. })));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever words are put anywhere: the result is an error, or an index that keeps its guarantees.
    #[test]
    fn any_change_is_accepted_or_refused(
        quantized in any::<bool>(),
        changes in prop::collection::vec((0..SECTIONS, any::<prop::sample::Index>(), any_word()), 1..4),
    ) {
        let mut forge = honest(if quantized { Quantization::Int8 } else { Quantization::None });
        for (section, at, word) in changes {
            let bytes = forge.section_mut(section);
            if bytes.len() >= 4 {
                let at = at.index(bytes.len() / 4) * 4;
                bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
            }
        }
        let outcome = survives(&forge.seal());
        prop_assert!(matches!(outcome, Ok(()) | Err(Error::Corrupt { .. })), "{:?}", outcome);
    }
}

fn any_word() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..64, any::<u32>(), Just(END), (0u32..64).prop_map(|slot| slot | TREE), Just(f32::NAN.to_bits())]
}

#[test]
fn impossible_expiry_times_are_refused() {
    // Slots 0 and 1 are live, slot 10 is deleted.
    let with = |change: fn(&mut Vec<u8>)| {
        move |forge: &mut Forge| {
            let mut moments = f64::INFINITY.to_le_bytes().repeat(slots(forge));
            moments[8..16].copy_from_slice(&1e12f64.to_le_bytes());
            change(&mut moments);
            forge.push_section(moments);
        }
    };
    let mut forge = honest(Quantization::Int8);
    with(|_| {})(&mut forge);
    assert_eq!(survives(&forge.seal()), Ok(()));
    refused("one too few", with(|moments| moments.truncate(moments.len() - 8)));
    refused("one too many", with(|moments| moments.extend_from_slice(&1e12f64.to_le_bytes())));
    refused("half a moment", with(|moments| moments.truncate(moments.len() - 4)));
    refused("none, and a section for them", with(Vec::clear));
    refused("not a number", with(|moments| moments[..8].copy_from_slice(&f64::NAN.to_le_bytes())));
    refused("before all time", with(|moments| moments[..8].copy_from_slice(&f64::NEG_INFINITY.to_le_bytes())));
    refused("of a tombstone", with(|moments| moments[80..88].copy_from_slice(&1e12f64.to_le_bytes())));
    refused("two of them", |forge| {
        let moments = f64::INFINITY.to_le_bytes().repeat(slots(forge));
        forge.push_section(moments.clone());
        forge.push_section(moments);
    });
}
