//! One test for each point at which a crash can fall, on every store: what may be there afterwards.
//!
//! The runs beside this kill at random, under load; here each point is struck on purpose, and what
//! is seen is what the outside sees. A process is ended with SIGKILL always, before which SIGSTOP
//! may have kept it from hearing what it was told.

mod acked;
mod claimed;
mod dead;
mod receiver;
mod scene;
mod taken;

use crate::kind::Kind;
use scene::Scene;

/// Tests of the points in a file, on a store that is opened in such a way.
macro_rules! points {
    ($kind:ident, $open:ident, $($file:ident: $($point:ident),+);+) => {
        $($(
            #[tokio::test(flavor = "multi_thread")]
            async fn $point() {
                let Some(scene) = super::Scene::$open(super::Kind::$kind).await else { return };
                super::$file::$point(scene).await;
            }
        )+)+
    };
}

macro_rules! all_points {
    ($kind:ident) => {
        points! {
            $kind, open,
            taken: sent_by_half, stored_and_unanswered, scheduled;
            claimed: claimed_and_unsent, done_and_unheard, stopped_too_slowly;
            acked: acked_and_unanswered, acked_by_half;
            dead: given_up_on, replayed, ends_the_process
        }
    };
}

mod sqlite {
    all_points!(Sqlite);
}

mod postgres {
    all_points!(Postgres);
    points!(Postgres, behind, taken: unheard, made_by_half);
}

mod mysql {
    all_points!(Mysql);
    points!(Mysql, behind, taken: unheard, made_by_half);
}

mod redis {
    all_points!(Redis);
    points!(Redis, behind, taken: unheard);
}

mod kafka {
    all_points!(Kafka);
}
