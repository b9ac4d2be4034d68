use crate::{
    CALL_COST_MAX, Declared, Environment, Fault, Meter, Outcome, Program, Schema, Value, compile,
};
use serde_json::{Value as Json, json};

fn schema() -> Schema {
    Schema::read(&json!({"type": "object", "properties": {
        "a": {"type": "string"}, "n": {"type": "integer"}, "d": {"type": "number"}, "b": {"type": "boolean"},
        "t": {"type": "string", "format": "date-time"}, "p": {"type": "string", "format": "duration"},
        "y": {"type": "string", "format": "byte"}, "u": {"x-kubernetes-int-or-string": true},
        "x.y": {"type": "integer"}, "null": {"type": "integer"}, "missing": {"type": "string"},
        "nothing": {"type": "string", "nullable": true},
        "l": {"type": "array", "items": {"type": "integer"}},
        "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "keyed": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}}},
        "m": {"type": "object", "additionalProperties": {"type": "integer"}},
        "o": {"type": "object", "properties": {"s": {"type": "string"}}},
    }}))
}

fn object() -> Json {
    json!({"a": "h\u{e9}llo", "n": 5, "d": 1, "b": true, "t": "2023-07-14T10:30:45.123Z", "p": "1h30m",
        "y": "aGk=", "u": "10%", "x.y": 3, "null": 4, "nothing": null, "l": [3, 1, 2], "set": ["a", "b"],
        "keyed": [{"k": "a", "v": 1}, {"k": "b", "v": 2}], "m": {"x": 1, "y.z": 2}, "o": {"s": "t"}})
}

/// Evaluates an expression on the object; `check` sees what it comes to and what it cost.
fn evaluated(text: &str, check: impl FnOnce(Outcome<'_>, u64)) {
    let (schema, object) = (schema(), object());
    let declared = Declared::from_schema(&schema, false).expect("declared");
    let mut objects = Vec::new();
    let of = declared.named("selfType", &mut objects);
    let mut environment = Environment::new().with_variable("self", of);
    environment.add_objects(objects);
    let compiled = compile(text, &environment).unwrap_or_else(|issues| panic!("{text}: {issues}"));
    let mut meter = Meter::new(CALL_COST_MAX);
    let program = match compiled.program() {
        Ok(program) => program,
        Err(fault) => return check(Err(fault), 0),
    };
    let outcome = program.evaluate(|_| Some(Value::bind(&object, &schema)), &mut meter);
    check(outcome, meter.spent());
}

#[test]
fn what_is_true() {
    for text in [
        "self.a == 'h\u{e9}llo' && self.a.size() == 5 && size(self.y) == 2",
        "self.n + 1 == 6 && self.n / 2 == 2 && self.n % 2 == 1 && -self.n == -5",
        "self.d >= 1 && self.d == 1.0 && type(self.d) == double && self.n < 5.5",
        "self.x__dot__y == 3 && self.__null__ == 4",
        "has(self.a) && !has(self.missing) && !has(self.nothing)",
        "self.?missing.orValue('x') == 'x' && self.?a.hasValue()",
        "self.t.getFullYear() == 2023 && self.t.getMonth() == 6 && self.t.getHours('-02:30') == 8",
        "self.t.getDayOfWeek() == 5 && self.t.getMilliseconds() == 123",
        "self.p == duration('90m') && self.p.getMinutes() == 90 && string(self.p) == '5400s'",
        "self.t + self.p > self.t && (self.t + self.p) - self.t == self.p",
        "string(self.y) == 'hi' && self.y == b'hi'",
        "type(self.u) == string && self.u.endsWith('%') && int(self.u.replace('%', '')) == 10",
        "self.l == [3, 1, 2] && self.l[0] == 3 && 2 in self.l && !(5 in self.l)",
        "self.l.all(x, x > 0) && self.l.exists(x, x == 2) && self.l.exists_one(x, x > 2)",
        "self.l.map(x, x * 2) == [6, 2, 4] && self.l.filter(x, x > 1) == [3, 2]",
        "self.l.map(x, x > 1, x + 1) == [4, 3] && self.l.sort() == [1, 2, 3]",
        "self.l.sum() == 6 && self.l.max() == 3 && self.l.min() == 1 && !self.l.isSorted()",
        "self.l.indexOf(1) == 1 && self.l.lastIndexOf(9) == -1",
        "self.l.transformList(i, v, i * v) == [0, 1, 4]",
        "self.m.transformMap(k, v, v + 1) == {'x': 2, 'y.z': 3}",
        "self.l.transformMapEntry(i, v, {v: i}) == {3: 0, 1: 1, 2: 2}",
        "self.set == ['b', 'a'] && self.set + ['b', 'c'] == ['a', 'b', 'c']",
        "self.keyed == self.keyed && (self.keyed + [self.keyed[0]]).size() == 2",
        "self.m['x'] == 1 && 'y.z' in self.m && self.m.all(k, self.m[k] > 0) && self.m.x == 1",
        "self.m[?'none'].orValue(7) == 7 && self.l[?9] == optional.none()",
        "self.o.s == 't' && self.o == self.o && self.o != null",
        "{'a': 1, ?'b': optional.none()} == {'a': 1} && [?self.?missing, 'x'] == ['x']",
        "self.?a.optMap(x, x.size()).value() == 5 && self.?o.optFlatMap(x, x.?s).value() == 't'",
        "self.a.charAt(1) == '\u{e9}' && self.a.indexOf('l') == 2 && self.a.lastIndexOf('l') == 3",
        "self.a.substring(1, 3) == '\u{e9}l' && self.a.upperAscii() == 'H\u{e9}LLO' && ' x '.trim() == 'x'",
        "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c'] && ['a', 'b'].join('-') == 'a-b'",
        "'abc'.split('') == ['a', 'b', 'c'] && 'a'.replace('', '-') == '-a-' && 'aaa'.replace('a', 'b', 2) == 'bba'",
        "'%s %d %.2f %x'.format(['a', 1, 1.5, 255]) == 'a 1 1.50 ff' && '%s'.format([[1, 'a']]) == '[1, \"a\"]'",
        "strings.quote('a\"b') == '\"a\\\\\"b\"'",
        "self.a.matches('^h.*o$') && 'abc123'.find('[0-9]+') == '123' && 'a1b2'.findAll('[0-9]') == ['1', '2']",
        "sets.contains([1, 2], [2]) && sets.equivalent([1, 1], [1]) && !sets.intersects([1], [2])",
        "[1, 2, 3].slice(1, 3) == [2, 3] && [[1], [2, 3]].flatten() == [1, 2, 3] && lists.range(3) == [0, 1, 2]",
        "[1, 2, 2].distinct() == [1, 2] && [1, 2].reverse() == [2, 1] && ['bb', 'a'].sortBy(x, x.size()) == ['a', 'bb']",
        "url('https://u@example.com:80/a%20b?k=v&k=w').getHost() == 'example.com:80' && url('https://[::1]:80/').getHostname() == '::1'",
        "url('https://example.com/a?k=v&k=w').getQuery() == {'k': ['v', 'w']} && isURL('/path') && !isURL('x')",
        "quantity('1.5Gi').isGreaterThan(quantity('1G')) && quantity('50k').add(20) == quantity('50020')",
        "isQuantity('1Gi') && !isQuantity('x') && quantity('2').asInteger() == 2 && !quantity('1.5').isInteger() && sign(quantity('-1')) == -1",
        "quantity('1.5').asApproximateFloat() == 1.5 && quantity('1').compareTo(quantity('2')) == -1",
        "ip('10.0.0.1').family() == 4 && isIP('::1') && !isIP('::ffff:1.2.3.4') && ip('127.0.0.1').isLoopback()",
        "ip.isCanonical('2001:db8::1') && !ip.isCanonical('2001:DB8::1') && string(ip('::1')) == '::1'",
        "cidr('10.0.0.0/8').containsIP('10.1.1.1') && !cidr('10.0.0.0/8').containsCIDR('10.0.0.0/7') && cidr('10.1.0.0/8').masked() == cidr('10.0.0.0/8')",
        "cidr('192.168.0.1/24').prefixLength() == 24 && cidr('192.168.0.1/24').ip() == ip('192.168.0.1') && !isCIDR('1.2.3.4')",
        "format.dns1123Label().validate('A').value().size() == 1 && !format.named('uuid').value().validate('123e4567-e89b-12d3-a456-426614174000').hasValue()",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.0.0-alpha.1').compareTo(semver('1.0.0')) == -1 && semver('v1.02', true).minor() == 2",
        "isSemver('1.2.3') && !isSemver('1.2') && isSemver('1.2', true)",
        "2u > 1 && 2 > 1.5 && dyn(1) == dyn(1.0) && dyn('a') != dyn(1)",
        "true || self.l[9] == 1",
        "!(false && self.l[9] == 1)",
        "self.l[9] == 1 || true",
        "self.l.exists(x, x / (x - 3) == 0 || x == 2)",
        "string(1.5) == '1.5' && string(1000000.0) == '1e+06' && int('-5') == -5 && uint(5) == 5u && double('1.5') == 1.5 && bool('true')",
        "int(self.t) == 1689330645 && timestamp(0) == timestamp('1970-01-01T00:00:00Z')",
        "[1, 2, 3].first().value() == 1 && [].last() == optional.none() && [optional.of(1), optional.none()].unwrapOpt() == [1]",
        "optional.ofNonZeroValue('') == optional.none() && optional.none().or(optional.of(1)).value() == 1",
    ] {
        evaluated(text, |outcome, _| match outcome {
            Ok(Value::Bool(true)) => {}
            other => panic!("{text}: {other:?}"),
        });
    }
}

#[test]
fn what_fails() {
    for (text, error) in [
        ("self.missing == 'x'", "no such key: missing"),
        ("self.l[5] == 1", "index out of bounds: 5"),
        ("self.l[-1] == 1", "index out of bounds: -1"),
        ("self.m['none'] == 1", "no such key: none"),
        ("1 / (self.n - 5) == 1", "division by zero"),
        ("1 % (self.n - 5) == 1", "modulus by zero"),
        ("self.n + 9223372036854775807 == 1", "integer overflow"),
        ("self.u + 1 == 2", "no such overload"),
        ("self.u > 1", "no such overload"),
        ("int(self.u) == 1", "type conversion error from 'string' to 'int'"),
        ("self.l.filter(x, x > 5).max() == 1", "max called on empty list"),
        (
            "quantity(self.a) == quantity('1')",
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        ("self.a.charAt(9) == ''", "index out of range: 9"),
        ("self.a.substring(3, 1) == ''", "invalid substring range. start: 3, end: 1"),
        ("optional.none().value() == 1", "optional.none() dereference"),
        ("self.l.slice(0, 9) == []", "cannot slice(0, 9), list is length 3"),
        (
            "ip(self.a) == ip('::1')",
            "IP Address \"h\u{e9}llo\" parse error during conversion from string: ParseAddr(\"h\u{e9}llo\"): unable to parse IP",
        ),
        ("self.a.find('[') == ''", "error parsing regexp: missing closing ]: `[`"),
        ("self.l.all(x, x / (x - 3) > -9 || x == 9)", "division by zero"),
        ("int('x') == 1", "type conversion error from 'string' to 'int'"),
        ("[1, 1].transformMapEntry(i, v, {v: i}) == {}", "insert failed: key 1 already exists"),
        (
            "timestamp(self.a) == self.t",
            "type conversion error from 'string' to 'google.protobuf.Timestamp'",
        ),
    ] {
        evaluated(text, |outcome, _| match outcome {
            Err(Fault::Failed(message)) => assert_eq!(message, error, "{text}"),
            other => panic!("{text}: {other:?}"),
        });
    }
}

#[test]
fn what_expressions_cost() {
    for (text, cost) in [
        ("self.n == 5", 3),
        ("has(self.a)", 1),
        ("self.a == 'x'", 3),
        ("self.l.all(x, x > 0)", 18),
        ("[1, 2, 3].size() == 3", 2),
        ("self.l[0] == 3", 4),
        ("self.a.startsWith('h')", 3),
        ("true", 0),
    ] {
        evaluated(text, |outcome, spent| {
            assert!(outcome.is_ok(), "{text}");
            assert_eq!(spent, cost, "{text}");
        });
    }
}

#[test]
fn expensive_expressions_are_cancelled_soon() {
    let ten = "[0,1,2,3,4,5,6,7,8,9]";
    let loops = |body: &str, depth: usize| {
        (0..depth).fold(body.to_owned(), |body, at| format!("{ten}.all(v{at}, {body})"))
    };
    for text in [
        loops("true", 9),
        loops("self.a.size() > 0", 7),
        "lists.range(1000000000).size() == 1".to_owned(),
        loops("self.a.matches('(a*)*(b*)*(c*)*$') || true", 6),
        format!("{}.size() == 1", (0..30).fold("'aaaaaaaaaa'".to_owned(), |text, _| {
            format!("{text}.replace('a', 'aaaaaaaaaa')")
        })),
        format!("{}.size() == 1", (0..12).fold("[1, 2]".to_owned(), |list, at| {
            format!("{list}.map(v{at}, {ten}).flatten()")
        })),
        "lists.range(900000).map(x, lists.range(900000)) == []".to_owned(),
        "lists.range(90000).map(x, string(x)).join('aaaaaaaaaaaaaaaaaaaaaaaaa').matches('(a|b)*c$')".to_owned(),
    ] {
        let started = std::time::Instant::now();
        evaluated(&text, |outcome, _| {
            assert!(matches!(outcome, Err(Fault::Cancelled)), "{text}: {outcome:?}");
        });
        assert!(started.elapsed().as_millis() < 5_000, "{text}");
    }
}

#[test]
fn deep_expressions_do_not_overflow_the_stack() {
    let not = format!("{}true{}", "!(".repeat(200), ")".repeat(200));
    evaluated(&format!("{not} == true"), |outcome, _| assert!(outcome.is_ok()));
    let sum = format!("self.n{} > 0", "+1".repeat(200));
    evaluated(&sum, |outcome, _| assert!(matches!(outcome, Ok(Value::Bool(true)))));
    let loops = (0..50).fold("true".to_owned(), |body, at| format!("[1].all(v{at}, {body})"));
    evaluated(&loops, |outcome, _| assert!(matches!(outcome, Ok(Value::Bool(true)))));
}

#[test]
fn programs_can_be_shared() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Program>();
}
