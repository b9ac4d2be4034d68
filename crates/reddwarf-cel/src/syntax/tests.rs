use super::*;

const FIRST: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

/// The errors of a text, each with its place, without the lines below them.
fn errors(text: &str) -> Vec<String> {
    let parsed = crate::deep::with_room(true, || parse(text, false)).expect("room");
    let Err(issues) = parsed else { return Vec::new() };
    let shown = issues.to_string();
    shown
        .lines()
        .filter(|line| line.starts_with("ERROR"))
        .map(|line| line.replace(FIRST, "FIRST"))
        .collect()
}

#[test]
fn what_parses() {
    for text in [
        "a.b.c(1, 'x')[0].?d[?'e'] == -1",
        "!!a && -b < 3 || c ? d : e",
        "[1, 2, ?a,]",
        "{'a': 1, ?'b': c,}",
        "A.B{c: 1, ?d: e}.f",
        "x in [1u, 0x1F, .5, 1e3, b'a', r'\\', null, true]",
        ".a.`b-c`",
        "a.all(x, x > 0) && a.exists_one(i, v, v == 1)",
        "- 1 - -1",
        "1 // comment",
    ] {
        assert_eq!(errors(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn what_does_not_parse() {
    for (text, expected) in [
        (
            "*@a | b",
            vec![
                "1:1: Syntax error: extraneous input '*' expecting FIRST",
                "1:2: Syntax error: token recognition error at: '@'",
                "1:5: Syntax error: token recognition error at: '| '",
                "1:7: Syntax error: extraneous input 'b' expecting <EOF>",
            ],
        ),
        (
            "{",
            vec![
                "1:2: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '}', '(', '.', ',', '-', '!', '?', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
            ],
        ),
        ("T(){}", vec!["1:4: Syntax error: mismatched input '{' expecting <EOF>"]),
        ("T{}()", vec!["1:4: Syntax error: mismatched input '(' expecting <EOF>"]),
        (
            "1 + $",
            vec![
                "1:5: Syntax error: token recognition error at: '$'",
                "1:6: Syntax error: mismatched input '<EOF>' expecting FIRST",
            ],
        ),
        ("1 + 2\n3 +", vec!["2:1: Syntax error: mismatched input '3' expecting <EOF>"]),
        ("1.all(2, 3)", vec!["1:7: argument must be a simple name"]),
        (
            "1 + +",
            vec![
                "1:5: Syntax error: mismatched input '+' expecting FIRST",
                "1:6: Syntax error: mismatched input '<EOF>' expecting FIRST",
            ],
        ),
        ("{\"a\": 1}.\"a\"", vec!["1:10: Syntax error: no viable alternative at input '.\"a\"'"]),
        (
            "\"\\xFh\"",
            vec![
                "1:1: Syntax error: token recognition error at: '\"\\xFh'",
                "1:6: Syntax error: token recognition error at: '\"'",
                "1:7: Syntax error: mismatched input '<EOF>' expecting FIRST",
            ],
        ),
        (
            "'a' in ['b']\n  && in.\u{1f601}",
            vec![
                "2:6: Syntax error: extraneous input 'in' expecting FIRST",
                "2:9: Syntax error: token recognition error at: '\u{1f601}'",
                "2:10: Syntax error: no viable alternative at input '.'",
            ],
        ),
        ("as", vec!["1:1: reserved identifier: as"]),
        (
            "in",
            vec![
                "1:1: Syntax error: mismatched input 'in' expecting FIRST",
                "1:3: Syntax error: mismatched input '<EOF>' expecting FIRST",
            ],
        ),
        (
            "[1, 2, 3].map(var, var * var)",
            vec![
                "1:15: reserved identifier: var",
                "1:15: argument is not an identifier",
                "1:20: reserved identifier: var",
                "1:26: reserved identifier: var",
            ],
        ),
        (
            "func{{a}}",
            vec![
                "1:6: Syntax error: extraneous input '{' expecting {'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}",
                "1:8: Syntax error: mismatched input '}' expecting ':'",
                "1:9: Syntax error: extraneous input '}' expecting <EOF>",
            ],
        ),
        (
            "msg{:a}",
            vec![
                "1:5: Syntax error: extraneous input ':' expecting {'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}",
                "1:7: Syntax error: mismatched input '}' expecting ':'",
            ],
        ),
        ("{a}", vec!["1:3: Syntax error: mismatched input '}' expecting ':'"]),
        ("ind[a{b}]", vec!["1:8: Syntax error: mismatched input '}' expecting ':'"]),
        (
            "--",
            vec![
                "1:3: Syntax error: no viable alternative at input '-'",
                "1:3: Syntax error: mismatched input '<EOF>' expecting FIRST",
            ],
        ),
        (
            "?",
            vec![
                "1:1: Syntax error: mismatched input '?' expecting FIRST",
                "1:2: Syntax error: mismatched input '<EOF>' expecting FIRST",
            ],
        ),
        ("self.true == 1", vec!["1:6: Syntax error: mismatched input 'true' expecting IDENTIFIER"]),
        ("`b-c`", vec!["1:1: Syntax error: mismatched input '`b-c`' expecting FIRST"]),
        (
            "`b-c`()",
            vec![
                "1:1: Syntax error: extraneous input '`b-c`' expecting FIRST",
                "1:7: Syntax error: mismatched input ')' expecting FIRST",
            ],
        ),
        ("a.`b.c`()", vec!["1:8: Syntax error: mismatched input '(' expecting <EOF>"]),
        (
            "x{?.",
            vec!["1:4: Syntax error: mismatched input '.' expecting {IDENTIFIER, ESC_IDENTIFIER}"],
        ),
        (
            "x{.",
            vec![
                "1:3: Syntax error: mismatched input '.' expecting {'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}",
            ],
        ),
        ("self.n >", vec!["1:9: Syntax error: mismatched input '<EOF>' expecting FIRST"]),
        ("(1", vec!["1:3: Syntax error: missing ')' at '<EOF>'"]),
        ("a b", vec!["1:3: Syntax error: extraneous input 'b' expecting <EOF>"]),
        (
            "self.a == 'x",
            vec![
                "1:11: Syntax error: token recognition error at: ''x'",
                "1:13: Syntax error: mismatched input '<EOF>' expecting FIRST",
            ],
        ),
        ("0xFFFFFFFFFFFFFFFFF", vec!["1:1: invalid int literal"]),
        ("1.99e90000009", vec!["1:1: invalid double literal"]),
        ("'\\udead'", vec!["1:1: invalid unicode code point"]),
        ("has(m)", vec!["1:5: invalid argument to has() macro"]),
        ("m.filter(a.b, false)", vec!["1:11: argument is not an identifier"]),
        ("m.map(__result__, 1)", vec!["1:7: iteration variable overwrites accumulator variable"]),
        ("m.all(a, a, true)", vec!["1:10: duplicate variable name: a"]),
        ("", vec!["1:1: Syntax error: mismatched input '<EOF>' expecting FIRST"]),
    ] {
        let expected: Vec<String> =
            expected.iter().map(|error| format!("ERROR: <input>:{error}")).collect();
        assert_eq!(errors(text), expected, "{text}");
    }
}

#[test]
fn hostile_texts_end_soon() {
    let nested = "(".repeat(50_000);
    let lists = "[".repeat(50_000);
    let sums = "1+".repeat(40_000);
    let members = format!("a{}", ".b".repeat(40_000));
    let negations = "!".repeat(90_000);
    let calls = "f(".repeat(30_000);
    let maps = "{1:".repeat(30_000);
    let signs = "- ".repeat(40_000);
    let copies = format!("a{}", ".?b.optMap(x, x)".repeat(200));
    let faults = "$".repeat(99_000);
    let ternaries = "a?b:".repeat(20_000);
    for text in
        [nested, lists, sums, members, negations, calls, maps, signs, copies, faults, ternaries]
    {
        let started = std::time::Instant::now();
        assert!(!errors(&text).is_empty(), "{}", &text[..20]);
        assert!(started.elapsed().as_millis() < 2000, "{}", &text[..20]);
    }
    let long = "1".repeat(100_001);
    assert_eq!(
        errors(&long),
        [
            "ERROR: <input>:-1:0: expression code point size exceeds limit: size: 100001, limit 100000"
        ]
    );
    assert_eq!(
        errors(&"(".repeat(300)),
        ["ERROR: <input>:-1:0: expression recursion limit exceeded: 250"]
    );
}

proptest::proptest! {
    /// Whatever the text is, it parses or it does not.
    #[test]
    fn any_text(text in "[a-c0-9'\"\\\\ .,:?!&|<>=+*/%(){}\\[\\]-]{0,40}") {
        let _ = parse(&text, true);
    }
}
