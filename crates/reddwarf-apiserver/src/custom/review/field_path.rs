//! Paths that lead to a field of a schema, such as `.spec['a.b'].c`.

use crate::custom::schema::Schema;

/// The names on the path, and the schema at its end.
///
/// # Errors
/// Why it leads nowhere, in upstream's words.
pub fn find<'s>(
    path: &str,
    schema: &'s Schema,
    brackets: bool,
) -> Result<(Vec<String>, &'s Schema), String> {
    let tokens = tokens(path);
    let mut tokens = tokens.into_iter();
    let (mut names, mut at) = (Vec::new(), schema);
    let end = || "unexpected end of JSON path".to_owned();
    while let Some(token) = tokens.next() {
        let name = match token.as_str() {
            "." => tokens.next().ok_or_else(end)?,
            "[" if !brackets => return Err("array notation is not allowed".to_owned()),
            "[" => {
                let quoted = tokens.next().ok_or_else(end)?;
                let inner = quoted.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
                let inner = inner.filter(|_| quoted.len() >= 2);
                let name = inner
                    .map(|name| name.replace("\\'", "'").replace("\\\\", "\\"))
                    .ok_or_else(|| format!("expected single quoted string but got {quoted}"))?;
                match tokens.next().ok_or_else(end)?.as_str() {
                    "]" => name,
                    other => return Err(format!("expected ] but got {other}")),
                }
            }
            other => return Err(format!("expected [ or . but got: {other}")),
        };
        let below = match at.properties.is_empty() {
            false => at.properties.get(name.as_str()),
            true => at.additional.schema(),
        };
        at = below.ok_or_else(|| "does not refer to a valid field".to_owned())?;
        names.push(name);
    }
    Ok((names, at))
}

/// Dots, brackets and what stands between them.
fn tokens(path: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut before = ' ';
    for c in path.chars() {
        let quote = c == '\'' && (word.is_empty() || quoted && before != '\\');
        if quote {
            word.push(c);
            quoted = !quoted;
            if !quoted {
                tokens.push(std::mem::take(&mut word));
            }
        } else if !quoted && matches!(c, '.' | '[' | ']') {
            if !word.is_empty() {
                tokens.push(std::mem::take(&mut word));
            }
            tokens.push(c.to_string());
        } else {
            word.push(c);
        }
        before = c;
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_and_where_they_lead() {
        let schema =
            Schema::compile(&json!({"type": "object", "properties": {"spec": {"type": "object",
            "properties": {"size": {"type": "integer"}, "a.b": {"type": "string"},
                "map": {"type": "object", "additionalProperties": {"type": "boolean"}}}}}}));
        let ty =
            |path: &str, brackets| find(path, &schema, brackets).map(|(_, s)| s.ty.to_string());
        assert_eq!(ty(".spec.size", false), Ok("integer".to_owned()));
        assert_eq!(ty(".spec['a.b']", true), Ok("string".to_owned()));
        assert_eq!(ty(".spec.map.x", false), Ok("boolean".to_owned()));
        assert_eq!(ty(".spec.zz", false), Err("does not refer to a valid field".to_owned()));
        assert_eq!(ty(".spec['size']", false), Err("array notation is not allowed".to_owned()));
        assert_eq!(ty("spec", true), Err("expected [ or . but got: spec".to_owned()));
        assert_eq!(ty(".spec[0]", true), Err("expected single quoted string but got 0".to_owned()));
    }
}
