//! The contract of a public store, handed on to the [`Served`](super::Served) inside it: so that its name
//! and its way of opening are its own, and nothing of what is inside shows.

/// Implements the contract for a type whose one field is a `Served`.
macro_rules! hand_on {
    ($store:ty) => {
        hand_on!(Store for $store {
            fn accept(batch: Vec<Draft>, bounds: Bounds) -> Vec<Receipt>, AcceptError;
            fn walk(after: Option<LaneId>, limit: usize) -> Vec<Arc<Lane>>, StoreError;
            fn fetch(asks: Vec<Ask>) -> Vec<Fetched>, StoreError;
            fn claim(claim: Claim) -> ClaimId, StoreError;
            fn settle(batch: Vec<Settlement>) -> Vec<Settled>, StoreError;
            fn block(lanes: Vec<(LaneId, Block)>) -> (), StoreError;
            fn release(which: Release) -> Vec<Arc<Lane>>, StoreError;
            fn promote() -> Promoted, StoreError;
            fn probe() -> Guarantee, StoreError;
            fn close() -> (), StoreError;
        } {
            fn ownership(&self) -> Ownership {
                self.0.ownership()
            }

            fn hints(&self) -> Option<Hints> {
                self.0.hints()
            }

            fn outbox(&self) -> Option<&dyn Outbox> {
                self.0.outbox()
            }
        });
        hand_on!(Inspect for $store {
            fn find(id: &'a str) -> Option<Sighting>, StoreError;
            fn counts() -> Counts, StoreError;
            fn key_counts(key: &'a Key) -> KeyCounts, StoreError;
        } {
            fn salt(&self) -> IdSalt {
                self.0.salt()
            }
        });
        hand_on!(Operate for $store {
            fn take_back(id: &'a str, place: Option<(LaneId, u64)>) -> TakenBack, StoreError;
            fn dead(sweep: Sweep) -> DeadPage, StoreError;
            fn replay(sweep: Sweep) -> Swept, StoreError;
            fn drop_dead(sweep: Sweep) -> Swept, StoreError;
        } {});
    };
    ($contract:ident for $store:ty {
        $(fn $name:ident($($value:ident: $type:ty),*) -> $answer:ty, $error:ty;)*
    } { $($rest:tt)* }) => {
        const _: () = {
            #[allow(unused_imports, reason = "one list for three traits")]
            use roundsman_store::*;
            #[allow(unused_imports, reason = "one list for three traits")]
            use std::sync::Arc;

            impl $contract for $store {
                $(fn $name<'a>(&'a self, $($value: $type),*) -> Answer<'a, $answer, $error> {
                    self.0.$name($($value),*)
                })*

                $($rest)*
            }
        };
    };
}
pub(crate) use hand_on;
