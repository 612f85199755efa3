//! People who do not exist, drawn from a seed: cartoon faces and scenes as JPEGs.

use bytes::Bytes;
use jpeg_encoder::{ColorType, Encoder};
use se5_events::PersonType;
use std::collections::HashMap;

/// Invented people and their pictures, each drawn once.
#[derive(Debug)]
pub struct Cast {
    seed: u64,
    size: PictureSize,
    drawn: HashMap<(usize, View), Bytes>,
}

/// How large pictures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum PictureSize {
    /// A few kilobytes each.
    #[default]
    Small,
    /// Some 20 kB for a face, 120 kB for a scene, as real boxes send them.
    Large,
    /// Scenes of more than 2 MB, to find out who cannot take them.
    Huge,
    /// No pictures.
    None,
}

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum View {
    /// The face as it was registered, in front of a plain wall.
    Registered,
    /// The face as a camera cut it out.
    Face,
    /// The scene before the camera with this number.
    Scene(usize),
}

/// One invented person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Character {
    /// Number in the cast.
    pub number: usize,
    /// The registered name; `stranger` for strangers.
    pub name: &'static str,
    /// The registered number; empty for strangers.
    pub id: String,
    /// The list the person is on.
    pub kind: PersonType,
    /// The group.
    pub group: &'static str,
}

/// Name, list and group of everyone in the cast. None of them lives.
const ROLES: [(&str, PersonType, &str); 12] = [
    ("测试员甲", PersonType::Employee, "研发部"),
    ("Sample Visitor", PersonType::Visitor, "visitors"),
    ("样例乙", PersonType::Vip, "贵宾"),
    ("stranger", PersonType::Stranger, "default_group"),
    ("示例丙", PersonType::Employee, "后勤部"),
    ("Tester Ω-7", PersonType::Employee, "R&D \"north\""),
    ("黑名单丁", PersonType::Blacklist, "黑名单"),
    ("测试员戊😀", PersonType::Employee, "研发部"),
    ("Placeholder O'Demo", PersonType::Employee, "default_group"),
    ("stranger", PersonType::Stranger, "default_group"),
    ("访客己", PersonType::Visitor, "访客"),
    ("演示庚", PersonType::Employee, "前台"),
];

impl Cast {
    /// A cast whose pictures follow from `seed`.
    pub fn new(seed: u64, size: PictureSize) -> Self {
        Self {
            seed,
            size,
            drawn: HashMap::new(),
        }
    }

    /// The person with this number; numbers beyond the cast begin anew.
    pub fn character(&self, number: usize) -> Character {
        let number = number % ROLES.len();
        let (name, ref kind, group) = ROLES[number];
        let is_stranger = *kind == PersonType::Stranger;
        Character {
            number,
            name,
            // Beyond 2^53, so that whoever takes ids for numbers is found out.
            id: if is_stranger {
                String::new()
            } else {
                format!("90071992547409{:02}", 93 + number % 7) + &format!("{number:02}")
            },
            kind: kind.clone(),
            group,
        }
    }

    /// A picture of this person, or none.
    pub fn picture(&mut self, character: &Character, view: View) -> Option<Bytes> {
        let is_stranger = character.kind == PersonType::Stranger;
        if self.size == PictureSize::None || (is_stranger && view == View::Registered) {
            return None;
        }
        let (seed, size) = (self.seed, self.size);
        let drawn = self.drawn.entry((character.number, view));
        let jpeg = drawn.or_insert_with(|| draw(seed, character.number, view, size));
        Some(jpeg.clone())
    }
}

/// A sequence of numbers that follows from a seed (`SplitMix64`).
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `sides`.
    pub fn below(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll() % (sides.max(1) as u64)).unwrap_or_default()
    }

    /// A number from 0 to below 1.
    pub fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.roll() >> 32).unwrap_or_default()) / 4_294_967_296.0
    }
}

type Colour = [u8; 3];

const SKINS: [Colour; 5] = [
    [255, 224, 189],
    [241, 194, 125],
    [224, 172, 105],
    [198, 134, 66],
    [141, 85, 36],
];
const HAIRS: [Colour; 5] = [
    [30, 27, 24],
    [70, 48, 32],
    [120, 120, 125],
    [150, 90, 40],
    [60, 30, 90],
];
const SHIRTS: [Colour; 6] = [
    [52, 101, 164],
    [115, 210, 22],
    [204, 60, 60],
    [117, 80, 123],
    [245, 200, 60],
    [60, 170, 170],
];
const WALLS: [Colour; 4] = [
    [214, 224, 232],
    [226, 216, 200],
    [205, 222, 205],
    [225, 210, 225],
];

/// Pixels, row by row. Coordinates are fractions of width and height.
struct Canvas {
    width: u16,
    height: u16,
    pixels: Vec<Colour>,
}

impl Canvas {
    fn new(width: u16, height: u16, colour: Colour) -> Self {
        let area = usize::from(width) * usize::from(height);
        Self {
            width,
            height,
            pixels: vec![colour; area],
        }
    }

    /// Paints every pixel between two corners whose centre `is_inside`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of the size, from none to all of it"
    )]
    fn paint(
        &mut self,
        colour: Colour,
        from: (f64, f64),
        to: (f64, f64),
        is_inside: impl Fn(f64, f64) -> bool,
    ) {
        let pixel_of = |part: f64, size: u16| (part.clamp(0.0, 1.0) * f64::from(size)) as u16;
        let rows = pixel_of(from.1, self.height)..=pixel_of(to.1, self.height);
        let columns = pixel_of(from.0, self.width)..=pixel_of(to.0, self.width);
        for y in rows.filter(|&y| y < self.height) {
            let row = usize::from(y) * usize::from(self.width);
            let centre = (f64::from(y) + 0.5) / f64::from(self.height);
            for x in columns.clone().filter(|&x| x < self.width) {
                if is_inside((f64::from(x) + 0.5) / f64::from(self.width), centre) {
                    self.pixels[row + usize::from(x)] = colour;
                }
            }
        }
    }

    fn ellipse(&mut self, colour: Colour, at: (f64, f64), radii: (f64, f64)) {
        let from = (at.0 - radii.0, at.1 - radii.1);
        let to = (at.0 + radii.0, at.1 + radii.1);
        self.paint(colour, from, to, |x, y| {
            ((x - at.0) / radii.0).powi(2) + ((y - at.1) / radii.1).powi(2) <= 1.0
        });
    }

    fn rectangle(&mut self, colour: Colour, from: (f64, f64), to: (f64, f64)) {
        self.paint(colour, from, to, |_, _| true);
    }

    /// Grain, as cameras have it; it is what makes a JPEG large.
    fn grain(&mut self, dice: &mut Dice, strength: usize) {
        for pixel in &mut self.pixels {
            let noise = dice.below(2 * strength + 1);
            for channel in pixel {
                let value = usize::from(*channel) + noise;
                *channel = u8::try_from(value.saturating_sub(strength).min(255)).unwrap_or(255);
            }
        }
    }

    fn into_jpeg(self, quality: u8) -> Bytes {
        let mut jpeg = Vec::new();
        let encoder = Encoder::new(&mut jpeg, quality);
        let pixels = self.pixels.as_flattened();
        encoder
            .encode(pixels, self.width, self.height, ColorType::Rgb)
            .expect("the canvas has as many pixels as it says");
        jpeg.into()
    }
}

fn draw(seed: u64, person: usize, view: View, size: PictureSize) -> Bytes {
    let mut looks = Dice(seed ^ (person as u64).wrapping_mul(0x5851_f42d_4c95_7f2d));
    let large = size != PictureSize::Small;
    let wall = WALLS[looks.below(WALLS.len())];
    match view {
        View::Registered | View::Face => {
            let (width, height) = if large { (320, 384) } else { (128, 152) };
            let mut canvas = Canvas::new(width, height, wall);
            let shift = if view == View::Face { 0.03 } else { 0.0 };
            head(&mut canvas, &mut looks, (0.5 + shift, 0.5), 0.33);
            canvas.grain(&mut looks, if large { 5 } else { 2 });
            canvas.into_jpeg(if large { 90 } else { 80 })
        }
        View::Scene(camera) => {
            let (width, height) = if large { (960, 540) } else { (256, 144) };
            let mut canvas = Canvas::new(width, height, WALLS[camera % WALLS.len()]);
            canvas.rectangle([150, 140, 128], (0.0, 0.72), (1.0, 1.0));
            let door = 0.08 + 0.1 * f64::from(u8::try_from(camera % 3).unwrap_or_default());
            canvas.rectangle([110, 82, 60], (door, 0.14), (door + 0.2, 0.78));
            canvas.rectangle([180, 214, 235], (door + 0.04, 0.2), (door + 0.16, 0.45));
            head(&mut canvas, &mut looks, (0.62, 0.42), 0.11);
            canvas.grain(&mut looks, if large { 14 } else { 2 });
            let jpeg = canvas.into_jpeg(if large { 82 } else { 70 });
            if size == PictureSize::Huge {
                padded(&jpeg, 2_300_000)
            } else {
                jpeg
            }
        }
    }
}

/// The same picture with comments in it, which viewers pass over.
fn padded(jpeg: &[u8], length: usize) -> Bytes {
    const COMMENT: u16 = 65_000;
    let (start, rest) = jpeg.split_at(2);
    let mut padded = start.to_vec();
    while padded.len() + rest.len() < length {
        padded.extend([0xff, 0xfe]);
        padded.extend((COMMENT + 2).to_be_bytes());
        padded.resize(padded.len() + usize::from(COMMENT), b'.');
    }
    padded.extend_from_slice(rest);
    padded.into()
}

/// Shoulders, head, hair, eyes, mouth, and glasses for some, around `at`.
fn head(canvas: &mut Canvas, looks: &mut Dice, at: (f64, f64), size: f64) {
    // In a wide picture a circle is narrow in fractions of its width.
    let narrow = size * f64::from(canvas.height) / f64::from(canvas.width);
    let place = |x: f64, y: f64| (at.0 + x * narrow, at.1 + y * size);
    let radii = |x: f64, y: f64| (x * narrow, y * size);
    let skin = SKINS[looks.below(SKINS.len())];
    let hair = HAIRS[looks.below(HAIRS.len())];
    let shirt = SHIRTS[looks.below(SHIRTS.len())];
    let face = 0.85 + 0.15 * looks.fraction();
    canvas.ellipse(shirt, place(0.0, 2.1), radii(1.6, 1.0));
    canvas.ellipse(skin, place(0.0, 1.0), radii(0.35, 0.5));
    canvas.ellipse(hair, place(0.0, -0.18), radii(face * 1.1, 1.12));
    canvas.ellipse(skin, place(0.0, 0.05), radii(face * 0.95, 1.0));
    let fringe = 0.25 + 0.35 * looks.fraction();
    let (centre, wide) = (place(0.0, -0.75), radii(face, fringe));
    canvas.ellipse(hair, centre, wide);
    let apart = 0.3 + 0.1 * looks.fraction();
    let has_glasses = looks.below(3) == 0;
    for side in [-apart, apart] {
        if has_glasses {
            canvas.ellipse([40, 40, 48], place(side, 0.0), radii(0.27, 0.22));
            canvas.ellipse(skin, place(side, 0.0), radii(0.22, 0.17));
        }
        canvas.ellipse([250, 250, 250], place(side, 0.0), radii(0.16, 0.1));
        canvas.ellipse([38, 30, 30], place(side, 0.0), radii(0.08, 0.09));
    }
    let smile = 0.08 + 0.12 * looks.fraction();
    canvas.ellipse([176, 64, 64], place(0.0, 0.52), radii(0.32, smile));
    let (lip, above) = (place(0.0, 0.52 - smile * 0.6), radii(0.34, smile * 0.8));
    canvas.ellipse(skin, lip, above);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_jpegs_of_the_promised_size_and_the_same_for_the_same_seed() {
        for (size, at_most) in [
            (PictureSize::Small, 14_000),
            (PictureSize::Large, 200_000),
            (PictureSize::Huge, 2_500_000),
        ] {
            let (mut one, mut other) = (Cast::new(7, size), Cast::new(7, size));
            let person = one.character(0);
            let scene = one.picture(&person, View::Scene(0)).unwrap().len();
            assert_eq!(scene > 100_000, size != PictureSize::Small, "{scene}");
            for view in [View::Registered, View::Face, View::Scene(1)] {
                let jpeg = one.picture(&person, view).unwrap();
                assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]));
                assert!(
                    (2_000..at_most).contains(&jpeg.len()),
                    "{view:?}: {}",
                    jpeg.len()
                );
                assert_eq!(other.picture(&person, view), Some(jpeg));
            }
        }
    }

    #[test]
    fn strangers_are_not_registered() {
        let mut cast = Cast::new(1, PictureSize::Small);
        let stranger = cast.character(3);
        assert_eq!((stranger.name, &*stranger.id), ("stranger", ""));
        assert_eq!(cast.picture(&stranger, View::Registered), None);
        assert!(cast.picture(&stranger, View::Face).is_some());
    }
}
