use crate::{Environment, Type, compile};
use std::sync::Arc;

fn environment() -> Environment {
    let name: Arc<str> = "selfType".into();
    let item: Arc<str> = "selfType.items.@idx".into();
    let fields = [
        ("a", Type::String),
        ("n", Type::Int),
        ("d", Type::Double),
        ("t", Type::Timestamp),
        ("any", Type::Dyn),
        ("l", Type::list(Type::String)),
        ("m", Type::map(Type::String, Type::Int)),
        ("o", Type::Struct(item.clone())),
        ("items", Type::list(Type::Struct(item.clone()))),
    ];
    Environment::new()
        .with_variable("self", Type::Struct(name.clone()))
        .with_variable("oldSelf", Type::optional(Type::Struct(name.clone())))
        .with_object(&name, fields.map(|(field, of)| (field.into(), of)).into())
        .with_object(&item, [("s".into(), Type::String)].into())
}

#[test]
fn types_of_expressions() {
    for (text, of) in [
        ("self.n + 1", "int"),
        ("self.l.map(x, x.size())", "list(int)"),
        ("self.items.all(i, i.s != '')", "bool"),
        ("self.m['a']", "int"),
        ("self.m.transformMap(k, v, string(v))", "map(string, string)"),
        ("oldSelf.?o.s", "optional_type(string)"),
        ("oldSelf.hasValue() ? oldSelf.value().n : 0", "int"),
        ("oldSelf.orValue(self).a", "string"),
        ("self.any", "dyn"),
        ("self.any == 1 || self.any == 'x'", "bool"),
        ("type(self.any) == int", "bool"),
        ("[]", "list(dyn)"),
        ("[[], [1]]", "list(list(int))"),
        ("{}", "map(dyn, dyn)"),
        ("self.o == null", "bool"),
        ("self.t - duration('1h') < timestamp('2020-01-01T00:00:00Z')", "bool"),
        ("quantity(self.a).isGreaterThan(quantity('1'))", "bool"),
        ("self.l.sum() == 1 || true", "error"),
        ("cidr('10.0.0.0/8').containsIP(ip('10.1.1.1'))", "bool"),
        ("format.dns1123Label().validate(self.a).hasValue()", "bool"),
        ("self.l.sortBy(x, x.size())", "list(string)"),
        ("sets.contains(self.l, ['a'])", "bool"),
        ("1 < 2.0 && 1u >= 1", "bool"),
        ("self.a.split(',').join('-').lowerAscii()", "string"),
        ("google.protobuf.Timestamp == type(self.t)", "bool"),
        ("has(self.a) ? self.a : 'x'", "string"),
        ("self.l[?0].orValue('') + self.l.first().value()", "string"),
        ("self.items.map(i, i.s).distinct().flatten == 1 || true", "error"),
    ] {
        match compile(text, &environment()) {
            Ok(compiled) => assert_eq!(compiled.output().to_string(), of, "{text}"),
            Err(issues) => assert_eq!(of, "error", "{text}: {issues}"),
        }
    }
}

#[test]
fn what_is_wrong() {
    for (text, error) in [
        ("x", "1:1: undeclared reference to 'x' (in container '')"),
        ("self.zz > 0", "1:5: undefined field 'zz'"),
        (
            "self.n == self.a",
            "1:8: found no matching overload for '_==_' applied to '(int, string)'",
        ),
        ("self.n + 'a'", "1:8: found no matching overload for '_+_' applied to '(int, string)'"),
        ("self.a.size(1)", "1:12: found no matching overload for 'size' applied to 'string.(int)'"),
        ("self.a.foo()", "1:11: undeclared reference to 'foo' (in container '')"),
        ("foo(1)", "1:4: undeclared reference to 'foo' (in container '')"),
        ("self.a.b", "1:7: type 'string' does not support field selection"),
        (
            "self.n.all(x, x)",
            "1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
        ),
        ("self.a && true", "1:5: expected type 'bool' but found 'string'"),
        ("!self.a", "1:1: found no matching overload for '!_' applied to '(string)'"),
        ("[1, 'a'] == []", "1:5: expected type 'int' but found 'string'"),
        (
            "self.l['a']",
            "1:7: found no matching overload for '_[_]' applied to '(list(string), string)'",
        ),
        ("'a' in self.n", "1:5: found no matching overload for '@in' applied to '(string, int)'"),
        ("self.n == null", "1:8: found no matching overload for '_==_' applied to '(int, null)'"),
        ("T{}", "1:2: undeclared reference to 'T' (in container '')"),
        (
            "true ? 1 : 'a'",
            "1:6: found no matching overload for '_?_:_' applied to '(bool, int, string)'",
        ),
        ("duration('x') == duration('1s')", "1:10: invalid duration argument"),
        ("self.a.matches('[')", "1:16: invalid matches argument"),
        ("timestamp('x') == self.t", "1:11: invalid timestamp argument"),
        ("self.l.exists(x, y)", "1:18: undeclared reference to 'y' (in container '')"),
        ("cel.bind(x, 1, x)", "1:1: undeclared reference to 'cel' (in container '')"),
        ("[1, self.any]", "1:9: expected type 'int' but found 'dyn'"),
    ] {
        let issues = compile(text, &environment()).expect_err(text).to_string();
        let first = issues.lines().next().unwrap_or_default();
        assert_eq!(first, format!("ERROR: <input>:{error}"), "{text}");
    }
}

#[test]
fn an_error_is_shown_with_its_line() {
    let issues = compile("self.zz > 0", &environment()).expect_err("wrong");
    assert_eq!(
        issues.to_string(),
        "ERROR: <input>:1:5: undefined field 'zz'\n | self.zz > 0\n | ....^"
    );
}

#[test]
fn variables_that_are_used() {
    let compiled = compile("self.l.all(oldSelf, true)", &environment()).expect("good");
    assert!(compiled.uses("self"));
    let compiled = compile("oldSelf.hasValue()", &environment()).expect("good");
    assert!(compiled.uses("oldSelf") && !compiled.uses("self"));
}
