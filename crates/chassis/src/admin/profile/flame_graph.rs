//! A flame graph (<https://www.brendangregg.com/flamegraphs.html>) as SVG, the callers above.
//!
//! Each function is a box as wide as its share of the CPU time, and has the share in its title. The
//! crate `inferno` draws more, but its license (CDDL) is not among those that `deny.toml` allows,
//! and it adds 180 KB to the binary.

use std::{collections::BTreeMap, fmt::Write};

use super::stacks::Stacks;

const WIDTH: f64 = 1200.0;
const ROW: usize = 18;
/// The width of a character of the font.
const CHARACTER: f64 = 6.7;
/// Boxes that are narrower, in pixels, are left out.
const NARROWEST: f64 = 0.5;

#[derive(Debug, Default)]
struct Node<'a> {
    samples: u64,
    callees: BTreeMap<&'a str, Self>,
}

/// Returns the flame graph.
pub(super) fn draw(stacks: &Stacks) -> String {
    let mut root = Node::default();
    for (stack, &samples) in &stacks.seen {
        let mut node = &mut root;
        node.samples += samples;
        for function in stack {
            node = node.callees.entry(function).or_default();
            node.samples += samples;
        }
    }
    let mut boxes = String::new();
    let all = root.samples;
    let depth = draw_node(&mut boxes, &root, "all", (0.0, 0), all);
    let height = (depth + 1) * ROW;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
         <title>CPU profile, {all} samples</title>\n\
         <style>svg{{background:#fff;font:12px monospace}}rect{{stroke:#fff}}\
         g:hover rect{{stroke:#000}}</style>\n{boxes}</svg>\n"
    )
}

/// Draws a function and its callees below it. Returns the depth of the deepest.
fn draw_node(out: &mut String, node: &Node<'_>, name: &str, at: (f64, usize), all: u64) -> usize {
    let (left, depth) = at;
    let width = |node: &Node<'_>| WIDTH * node.samples as f64 / all.max(1) as f64;
    let (wide, top) = (width(node), depth * ROW);
    let fits = (wide / CHARACTER) as usize;
    let shown: String = if fits < 3 { String::new() } else { name.chars().take(fits).collect() };
    let share = 100.0 * node.samples as f64 / all.max(1) as f64;
    let (name, shown) = (escaped(name), escaped(&shown));
    let (text_left, text_top) = (left + 2.0, top + 13);
    writeln!(
        out,
        "<g><title>{name}: {share:.1} %, {samples} samples</title><rect x=\"{left:.1}\" \
         y=\"{top}\" width=\"{wide:.1}\" height=\"{ROW}\" fill=\"hsl({hue} 80% 72%)\"/>\
         <text x=\"{text_left:.1}\" y=\"{text_top}\">{shown}</text></g>",
        samples = node.samples,
        // The same function has the same colour.
        hue = name.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31) + u32::from(byte)) % 55,
    )
    .expect("writing to a String does not fail");
    let (mut next, mut deepest) = (left, depth);
    for (name, callee) in &node.callees {
        if width(callee) >= NARROWEST {
            deepest = deepest.max(draw_node(out, callee, name, (next, depth + 1), all));
        }
        next += width(callee);
    }
    deepest
}

fn escaped(text: &str) -> String {
    // A control character is not valid in XML.
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn stacks(seen: BTreeMap<Vec<String>, u64>) -> Stacks {
        let (start, duration) = (SystemTime::UNIX_EPOCH, Duration::ZERO);
        Stacks { seen, start, duration, period: Duration::ZERO }
    }

    #[test]
    fn a_box_is_as_wide_as_the_share_of_its_function() {
        let stack = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let svg = draw(&stacks(BTreeMap::from([
            (stack(&["main", "a::<T>", "b"]), 3),
            (stack(&["main", "a::<T>"]), 1),
            (stack(&["main", "c"]), 4),
        ])));
        for (title, left, width) in [
            ("all: 100.0 %, 8 samples", "0.0", "1200.0"),
            ("main: 100.0 %, 8 samples", "0.0", "1200.0"),
            ("a::&lt;T&gt;: 50.0 %, 4 samples", "0.0", "600.0"),
            ("b: 37.5 %, 3 samples", "0.0", "450.0"),
            ("c: 50.0 %, 4 samples", "600.0", "600.0"),
        ] {
            let (_, rest) = svg.split_once(&format!("<title>{title}</title>")).expect(title);
            assert!(rest.starts_with(&format!("<rect x=\"{left}\"")), "{title}: {rest}");
            assert!(rest.split('>').next().expect("a box").contains(&format!("width=\"{width}\"")));
        }
    }

    #[test]
    fn a_profile_of_an_idle_process_is_a_graph_too() {
        assert!(draw(&stacks(BTreeMap::new())).contains("all: 0.0 %, 0 samples"));
    }
}
