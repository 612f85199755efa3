//! One event for many subscribers.

use super::link::Pictures;
use super::{Config, SpotFollows};
use crate::{Dialect, FromBox, LiveForm, Sighting};
use std::sync::Arc;

/// The messages that one event becomes: at most four, each made when first wanted and then shared.
#[derive(Debug)]
pub(super) struct Variants<'a> {
    sighting: &'a Sighting,
    form: LiveForm,
    spot_follows: SpotFollows,
    made: [Option<Arc<FromBox>>; 4],
}

impl<'a> Variants<'a> {
    pub(super) fn new(sighting: &'a Sighting, dialect: Dialect, config: &Config) -> Self {
        let mut form = LiveForm::new(dialect);
        //= docs/spec/se5-events.md#events
        //# The box MUST write `video_id` and `event_id` in dialect 1 unless its configuration turns them off.
        form.script_ids = config.script_ids;
        Self {
            sighting,
            form,
            spot_follows: config.spot_follows,
            made: [const { None }; 4],
        }
    }

    /// The message with these pictures and no others.
    pub(super) fn with(&mut self, pictures: Pictures) -> Arc<FromBox> {
        let Pictures { faces, registered } = pictures;
        let [neither, face, register, both] = &mut self.made;
        let variant = match (faces, registered) {
            (false, false) => neither,
            (true, false) => face,
            (false, true) => register,
            (true, true) => both,
        };
        //= docs/spec/se5-events.md#box
        //# The box MUST offer an event to all its subscribers as one shared message for each set of pictures and dialect.
        let message = variant.get_or_insert_with(|| {
            let mut form = self.form;
            //= docs/spec/se5-events.md#box
            //# The box MUST send each picture exactly if the subscription asks for it.
            form.face = faces;
            form.registered = registered;
            form.scene = match self.spot_follows {
                SpotFollows::Face => faces,
                SpotFollows::Registered => registered,
                SpotFollows::Always => true,
            };
            Arc::new(FromBox::Face(self.sighting.to_live(form)))
        });
        Arc::clone(message)
    }
}
