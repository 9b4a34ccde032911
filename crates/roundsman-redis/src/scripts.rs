//! The scripts: one for each verb, each behind what all of them share.
//!
//! A script runs alone on the server, so that what it does is done as a whole, and nobody else is
//! served meanwhile: each takes a batch that its caller bounds and never looks along the backlog.
//! All but the one that accepts may run when the server has reached its `maxmemory`, since settling
//! is what makes room; that one is refused before it begins.

/// One script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Accept,
    Settle,
    Claim,
    Block,
    Release,
    Expired,
    Promote,
    Walk,
    Fetch,
    Find,
    Counts,
    TakeBack,
    Replay,
    Drop,
    Cut,
    Begin,
    Beat,
    News,
    Leave,
}

macro_rules! script {
    ($flags:literal, $file:literal) => {
        concat!("#!lua", $flags, "\n", include_str!("lua/common.lua"), include_str!($file))
    };
}

impl Verb {
    /// Every script there is, in the order of their numbers.
    pub(crate) const ALL: [Self; 19] = [
        Self::Accept,
        Self::Settle,
        Self::Claim,
        Self::Block,
        Self::Release,
        Self::Expired,
        Self::Promote,
        Self::Walk,
        Self::Fetch,
        Self::Find,
        Self::Counts,
        Self::TakeBack,
        Self::Replay,
        Self::Drop,
        Self::Cut,
        Self::Begin,
        Self::Beat,
        Self::News,
        Self::Leave,
    ];

    /// Its text.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::Accept => script!("", "lua/accept.lua"),
            Self::Settle => script!(" flags=allow-oom", "lua/settle.lua"),
            Self::Claim => script!(" flags=allow-oom", "lua/claim.lua"),
            Self::Block => script!(" flags=allow-oom", "lua/block.lua"),
            Self::Release => script!(" flags=allow-oom", "lua/release.lua"),
            Self::Expired => script!(" flags=no-writes", "lua/expired.lua"),
            Self::Promote => script!(" flags=allow-oom", "lua/promote.lua"),
            Self::Walk => script!(" flags=no-writes", "lua/walk.lua"),
            Self::Fetch => script!(" flags=no-writes", "lua/fetch.lua"),
            Self::Find => script!(" flags=no-writes", "lua/find.lua"),
            Self::Counts => script!(" flags=no-writes", "lua/counts.lua"),
            Self::TakeBack => script!(" flags=allow-oom", "lua/take_back.lua"),
            Self::Replay => script!(" flags=allow-oom", "lua/replay.lua"),
            Self::Drop => script!(" flags=allow-oom", "lua/drop.lua"),
            Self::Cut => script!(" flags=allow-oom", "lua/cut.lua"),
            Self::Begin => script!(" flags=allow-oom", "lua/begin.lua"),
            Self::Beat => script!(" flags=allow-oom", "lua/beat.lua"),
            Self::News => script!(" flags=allow-oom", "lua/news.lua"),
            Self::Leave => script!(" flags=allow-oom", "lua/leave.lua"),
        }
    }
}
