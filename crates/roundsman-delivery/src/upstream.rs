//! What is above a stage that asks for exactly as much as there is room for.

use roundsman::{Emitter, Mode, Side, SubscriptionId};

/// The subscription to what is above, and what was asked for before there was one.
#[derive(Debug, Default)]
pub(crate) struct Upstream {
    subscription: Option<SubscriptionId>,
    owed: usize,
}

impl Upstream {
    /// A subscription has come about: below it goes by itself, above it is asked by hand.
    pub(crate) fn joined<E: Send>(
        &mut self,
        side: Side,
        subscription: SubscriptionId,
        out: &mut Emitter<'_, E>,
    ) -> Mode {
        if side == Side::Consumer {
            return Mode::Automatic;
        }
        self.subscription = Some(subscription);
        self.ask(0, out);
        Mode::Manual
    }

    /// Asks for so many more.
    pub(crate) fn ask<E: Send>(&mut self, more: usize, out: &mut Emitter<'_, E>) {
        self.owed += more;
        if let Some(subscription) = self.subscription
            && self.owed > 0
        {
            out.ask(subscription, std::mem::take(&mut self.owed));
        }
    }
}
