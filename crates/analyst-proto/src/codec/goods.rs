//! Reading goods, changes of weight and counts.

use super::lenience::Lenience;
use super::number::{floor, goods_id, integer};
use crate::WireErrorKind;
use crate::wire::{
    Floor, Goods, GoodsBuilder, GoodsId, Taken, UnixMillis, WeightChange, put_in_order,
};
use lenient_wire::{Kind, Scanner, Value, text};
use std::borrow::Cow;

const GOODS: &str = "goods_ids";
const WEIGHTS: &str = "weight_info";
const RESULT: &str = "RESULT";

/// Reads `goods_ids`.
pub(super) fn read_goods(
    json: &[u8],
    value: Value,
    lenience: &Lenience,
) -> Result<Goods, WireErrorKind> {
    let Some(json) = nested(json, value, GOODS, lenience)? else {
        return Ok(Goods::new());
    };
    let mut reader = GoodsReader {
        json: &json,
        lenience,
        goods: Goods::new(),
        floors: 0,
        ids: 0,
    };
    let mut scan = Scanner::new(&json, lenience.limits.depth);
    let read = if scan.at_object() {
        reader.floors(&mut scan)
    } else if !scan.at_array() {
        reader.listed()
    } else if lenience.other_spellings {
        reader.array(&mut scan)
    } else {
        Err(WireErrorKind::NotStrict(GOODS))
    };
    read.map_err(|error| error.within(GOODS))?;
    Ok(reader.goods)
}

struct GoodsReader<'a> {
    json: &'a [u8],
    lenience: &'a Lenience,
    goods: Goods,
    floors: usize,
    ids: usize,
}

impl GoodsReader<'_> {
    /// `{"1":[1,4],"-1":[7]}`
    fn floors(&mut self, scan: &mut Scanner<'_>) -> Result<(), WireErrorKind> {
        let marks = tally(self.json, |byte| matches!(byte, b',' | b':'));
        let limits = &self.lenience.limits;
        let most = limits.floors.saturating_add(limits.goods);
        let mut goods = GoodsBuilder::with_room(marks, most);
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            self.count_floor()?;
            let name = text(self.json, key).ok_or(WireErrorKind::Shape(GOODS))?;
            let floor = floor(&name).ok_or(WireErrorKind::Shape(GOODS))?;
            goods.open(floor);
            if scan.at_array() {
                self.ids(scan, &mut goods)?;
            } else {
                // A floor that is null has nothing.
                let none = scan.value()?;
                self.put_up_with(none.kind == Kind::Null)?;
            }
            if goods.close() && !self.lenience.other_spellings {
                return Err(WireErrorKind::Repeated(GOODS));
            }
        }
        self.goods = goods.build();
        scan.end().map_err(Into::into)
    }

    fn ids(
        &mut self,
        scan: &mut Scanner<'_>,
        goods: &mut GoodsBuilder,
    ) -> Result<(), WireErrorKind> {
        scan.enter_array()?;
        while scan.element()? {
            let value = scan.value()?;
            let id = integer(self.json, value, GOODS, self.lenience)?;
            self.count_id()?;
            goods.push(GoodsId(id));
        }
        Ok(())
    }

    /// `[1,4,7]`, on any floor, or `[{"colIndex":1,"floorIndex":2,"goodsId":4}]`.
    //= docs/spec/analyst-proto.md#message
    //# A lenient reader MUST read `goods_ids` also from an array of numbers and from numbers with
    //# commas between them, as goods that may be on any floor, and from an array of objects with
    //# `floorIndex` and `goodsId`.
    fn array(&mut self, scan: &mut Scanner<'_>) -> Result<(), WireErrorKind> {
        let mut placed = Vec::new();
        scan.enter_array()?;
        while scan.element()? {
            self.count_id()?;
            placed.push(if scan.at_object() {
                self.place(scan)?
            } else {
                let value = scan.value()?;
                let id = integer(self.json, value, GOODS, self.lenience)?;
                (Floor::ANY, GoodsId(id))
            });
        }
        self.put(placed)?;
        scan.end().map_err(Into::into)
    }

    fn place(&self, scan: &mut Scanner<'_>) -> Result<(Floor, GoodsId), WireErrorKind> {
        let (mut floor, mut id) = (Floor::ANY, None);
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            let value = scan.value()?;
            match text(self.json, key).as_deref() {
                Some("floorIndex") if value.kind != Kind::Null => {
                    floor = Floor(integer(self.json, value, GOODS, self.lenience)?);
                }
                Some("goodsId") => id = Some(integer(self.json, value, GOODS, self.lenience)?),
                _ => {} // a column says nothing about goods
            }
        }
        let id = id.ok_or(WireErrorKind::Missing("goodsId"))?;
        Ok((floor, GoodsId(id)))
    }

    /// `1,4,7`, on any floor.
    fn listed(&mut self) -> Result<(), WireErrorKind> {
        let text = std::str::from_utf8(self.json).map_err(|_| WireErrorKind::NotUtf8)?;
        let mut placed = Vec::new();
        for number in text.split(',') {
            let id = goods_id(number.trim()).ok_or(WireErrorKind::Shape(GOODS))?;
            self.count_id()?;
            placed.push((Floor::ANY, id));
        }
        self.put(placed)
    }

    fn put(&mut self, placed: Vec<(Floor, GoodsId)>) -> Result<(), WireErrorKind> {
        self.goods = Goods::placed(placed);
        self.floors = self.goods.floors().count();
        let max = self.lenience.limits.floors;
        if self.floors > max {
            return Err(WireErrorKind::TooMany {
                what: "floors",
                max,
            });
        }
        Ok(())
    }

    fn count_floor(&mut self) -> Result<(), WireErrorKind> {
        count(&mut self.floors, self.lenience.limits.floors, "floors")
    }

    fn count_id(&mut self) -> Result<(), WireErrorKind> {
        count(&mut self.ids, self.lenience.limits.goods, "goods")
    }

    fn put_up_with(&self, is_right: bool) -> Result<(), WireErrorKind> {
        match (is_right, self.lenience.other_spellings) {
            (true, true) => Ok(()),
            (true, false) => Err(WireErrorKind::NotStrict(GOODS)),
            (false, _) => Err(WireErrorKind::Shape(GOODS)),
        }
    }
}

/// Reads `weight_info`, which is there.
pub(super) fn read_weights(
    json: &[u8],
    value: Value,
    lenience: &Lenience,
) -> Result<Vec<WeightChange>, WireErrorKind> {
    let mut weights = Vec::new();
    let Some(json) = nested(json, value, WEIGHTS, lenience)? else {
        return Ok(weights);
    };
    let mut scan = Scanner::new(&json, lenience.limits.depth);
    let mut read = || {
        scan.enter_array()?;
        let mut seen = 0;
        while scan.element()? {
            count(&mut seen, lenience.limits.weights, "changes of weight")?;
            if weights.capacity() == 0 {
                let most = tally(&json, |byte| byte == b'{');
                weights.reserve_exact(most.min(lenience.limits.weights));
            }
            weights.push(read_weight(&json, &mut scan, lenience)?);
        }
        scan.end().map_err(WireErrorKind::from)
    };
    read().map_err(|error| error.within(WEIGHTS))?;
    Ok(weights)
}

fn read_weight(
    json: &[u8],
    scan: &mut Scanner<'_>,
    lenience: &Lenience,
) -> Result<WeightChange, WireErrorKind> {
    const NAMES: [&str; 4] = ["startTimeStamp", "endTimeStamp", "weight", "floor"];
    let (mut usual, mut folded) = ([Value::default(); 4], [Value::default(); 4]);
    scan.enter_object()?;
    while let Some(key) = scan.key()? {
        let value = scan.value()?;
        let name = text(json, key).unwrap_or_default();
        let is_usual = |known: &&str| name == *known;
        let is_folded = |known: &&str| name.eq_ignore_ascii_case(known);
        let (at, places) = match NAMES.iter().position(is_usual) {
            Some(at) => (at, &mut usual),
            None => match NAMES.iter().position(is_folded) {
                Some(_) if !lenience.other_spellings => {
                    return Err(WireErrorKind::NotStrict(WEIGHTS));
                }
                Some(at) => (at, &mut folded),
                None => continue,
            },
        };
        if let Some(place) = places.get_mut(at) {
            if place.kind != Kind::Missing && !lenience.other_spellings {
                return Err(WireErrorKind::Repeated(WEIGHTS));
            }
            *place = value;
        }
    }
    //= docs/spec/analyst-proto.md#message
    //# A lenient reader MUST read the names in `weight_info` whatever the case of their letters.
    let stated = |at: usize| {
        let usual = usual.get(at).filter(|value| value.kind != Kind::Missing);
        let value = usual.or(folded.get(at)).copied().unwrap_or_default();
        let name = NAMES.get(at).copied().unwrap_or_default();
        match value.kind {
            Kind::Missing => Err(WireErrorKind::Missing(name)),
            _ => Ok((value, name)),
        }
    };
    let time = |at| {
        let (value, name) = stated(at)?;
        integer(json, value, name, lenience).map(UnixMillis)
    };
    let number = |at| {
        let (value, name) = stated(at)?;
        integer(json, value, name, lenience)
    };
    Ok(WeightChange::new(
        Floor(number(3)?),
        number(2)?,
        time(0)?,
        time(1)?,
    ))
}

/// Reads the result of `ANALYSIS_FINISH`.
pub(super) fn read_taken(
    json: &[u8],
    value: Value,
    lenience: &Lenience,
) -> Result<Taken, WireErrorKind> {
    let mut taken = Taken::new();
    let Some(json) = nested(json, value, RESULT, lenience)? else {
        return Ok(taken);
    };
    let mut scan = Scanner::new(&json, lenience.limits.depth);
    let mut read = || {
        if scan.at_array() {
            //= docs/spec/analyst-proto.md#message
            //# A lenient reader MUST read an empty array as a result of which nothing was taken.
            // It is PHP's empty object.
            scan.enter_array()?;
            let is_empty = !scan.element()?;
            return match lenience.other_spellings {
                _ if !is_empty => Err(WireErrorKind::Shape(RESULT)),
                true => scan.end().map_err(WireErrorKind::from),
                false => Err(WireErrorKind::NotStrict(RESULT)),
            };
        }
        scan.enter_object()?;
        let mut seen = 0;
        while let Some(key) = scan.key()? {
            count(&mut seen, lenience.limits.goods, "goods")?;
            if taken.capacity() == 0 {
                let most = tally(&json, |byte| byte == b':');
                taken.reserve_exact(most.min(lenience.limits.goods));
            }
            let name = text(&json, key).unwrap_or_default();
            let id = goods_id(&name).ok_or(WireErrorKind::Shape(RESULT))?;
            let value = scan.value()?;
            taken.push((id, integer(&json, value, RESULT, lenience)?));
        }
        scan.end().map_err(WireErrorKind::from)
    };
    read().map_err(|error| error.within(RESULT))?;
    let seen = taken.len();
    put_in_order(&mut taken);
    if taken.len() < seen && !lenience.other_spellings {
        return Err(WireErrorKind::Repeated(RESULT));
    }
    Ok(taken)
}

/// The JSON of a member that may be a text which holds it; `None` if there is nothing in it.
//= docs/spec/analyst-proto.md#message
//# A lenient reader MUST read `goods_ids`, `weight_info` and the result of `ANALYSIS_FINISH` also
//# from a text that holds the JSON, and null or an empty text as nothing.
fn nested<'a>(
    json: &'a [u8],
    value: Value,
    member: &'static str,
    lenience: &Lenience,
) -> Result<Option<Cow<'a, [u8]>>, WireErrorKind> {
    let inner = match value.kind {
        Kind::Object | Kind::Array => return Ok(Some(Cow::Borrowed(value.of(json)))),
        Kind::Missing => return Err(WireErrorKind::Missing(member)),
        Kind::Null => Cow::Borrowed(""),
        Kind::Text | Kind::EscapedText => text(json, value).ok_or(WireErrorKind::Shape(member))?,
        _ => return Err(WireErrorKind::Shape(member)),
    };
    if !lenience.other_spellings {
        return Err(WireErrorKind::NotStrict(member));
    }
    Ok((!inner.trim().is_empty()).then(|| match inner {
        Cow::Borrowed(inner) => Cow::Borrowed(inner.as_bytes()),
        Cow::Owned(inner) => Cow::Owned(inner.into_bytes()),
    }))
}

//= docs/spec/analyst-proto.md#message
//# A reader MUST refuse a message that is longer than 65536 bytes, nested deeper than 16 levels or has
//# more than 256 floors, 4096 goods, 4096 changes of weight or 256 members that nobody knows, unless it
//# is told other limits.
fn count(seen: &mut usize, max: usize, what: &'static str) -> Result<(), WireErrorKind> {
    *seen = seen.saturating_add(1);
    if *seen > max {
        return Err(WireErrorKind::TooMany { what, max });
    }
    Ok(())
}

fn tally(json: &[u8], is_counted: impl Fn(u8) -> bool) -> usize {
    json.iter().filter(|byte| is_counted(**byte)).count()
}
