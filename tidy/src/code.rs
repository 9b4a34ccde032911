//! A look at Rust source without its comments and literals: enough for the rules, no parser.

/// The source with every comment, string and character literal blanked out, lines kept.
///
/// ```
/// use roundsman_tidy::code::code_only;
///
/// assert_eq!(code_only("a(\"b\"); // c").trim_end(), "a(   );");
/// ```
#[must_use]
pub fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let skipped = skipped(&bytes[at..]);
        if skipped == 0 {
            out.push(bytes[at]);
            at += 1;
        } else {
            let end = (at + skipped).min(bytes.len());
            out.extend(bytes[at..end].iter().map(|b| if *b == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The paths that `use` declarations name, braces expanded, each with its line from 1.
#[must_use]
pub fn used_paths(code: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    let mut offset = 0;
    for statement in code.split_inclusive([';', '}']) {
        let start = offset;
        offset += statement.len();
        let Some(at) = find_use(statement) else { continue };
        let line = 1 + code[..start + at].matches('\n').count();
        let from = start + at + "use ".len();
        let tree = &code[from..from + code[from..].find(';').unwrap_or(0)];
        let tree: String = tree.chars().filter(|c| !c.is_whitespace()).collect();
        paths.extend(expand(&tree).into_iter().map(|path| (line, path)));
    }
    paths
}

/// Whether `code` has `word` with no letter, digit or underscore on either side.
#[must_use]
pub fn has_word(code: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].chars().next_back().is_some_and(joins)
            && !code[at + word.len()..].chars().next().is_some_and(joins)
    })
}

fn find_use(statement: &str) -> Option<usize> {
    let mut offset = 0;
    for line in statement.split_inclusive('\n') {
        let code = line.trim_start();
        let rest = code.strip_prefix("pub(crate) ").or(code.strip_prefix("pub ")).unwrap_or(code);
        if rest.starts_with("use ") {
            return Some(offset + line.len() - rest.len());
        }
        offset += line.len();
    }
    None
}

fn expand(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else { return vec![tree.into()] };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let mut depth = 0;
    let branches = inner.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let branches = branches.filter(|branch| !branch.is_empty());
    branches.flat_map(expand).map(|path| format!("{prefix}{path}")).collect()
}

/// How many bytes of comment or literal `rest` begins with.
fn skipped(rest: &[u8]) -> usize {
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => 1 + string_tail(&rest[1..]),
        [b'r', b'"' | b'#', ..] => raw_string(rest),
        [b'\'', ..] => character(rest),
        _ => 0,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn string_tail(rest: &[u8]) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0; // a raw identifier
    }
    let mut end = vec![b'"'];
    end.resize(1 + hashes, b'#');
    let body = 2 + hashes;
    let found = rest[body..].windows(end.len()).position(|window| window == end);
    found.map_or(rest.len(), |at| body + at + end.len())
}

/// A quote begins a character only where another ends it; else it is a lifetime.
fn character(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        let close = rest.iter().skip(3).position(|b| *b == b'\'');
        return close.map_or(0, |at| at + 4);
    }
    let width = 1 + rest.iter().skip(2).take_while(|b| **b & 0xC0 == 0x80).count();
    if rest.get(1 + width) == Some(&b'\'') { 2 + width } else { 0 }
}
