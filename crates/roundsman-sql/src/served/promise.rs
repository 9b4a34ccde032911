//! What *accepted* means on a server: the sentence, and what is said against it.

use roundsman_store::Guarantee;

/// The guarantee of a `store` that has committed and `place`d a message, but for those flaws that
/// are so: each with the name that `accept_weaker` knows it by, and what it means.
pub(crate) fn promise<const N: usize>(
    store: String,
    place: &str,
    survives_machine: bool,
    flaws: &[(bool, &'static str, String); N],
) -> Guarantee {
    let flaws = || flaws.iter().filter(|(is_so, _, _)| *is_so);
    let buts: Vec<_> = flaws().map(|(_, _, but)| but.as_str()).collect();
    let sentence = if buts.is_empty() {
        format!(
            "An accepted message is committed and {place}: it is kept when this process, the server \
             or its machine dies, as far as the disk keeps what it says it has written."
        )
    } else {
        format!("An accepted message is committed, but {}.", buts.join("; and "))
    };
    let weaker = flaws().map(|(_, name, _)| (*name).to_owned()).collect();
    Guarantee { store, survives_process: true, survives_machine, sentence, weaker }
}
