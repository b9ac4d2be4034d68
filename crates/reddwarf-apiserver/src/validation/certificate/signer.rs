//! Names of signers: `domain/path`.

use crate::validation::names::{self, LABEL_CHARS_MAX, SUBDOMAIN_CHARS_MAX};
use crate::validation::{ErrorList, FieldError, FieldPath};

/// A domain, a namespace and a name, with a separator before each of the latter.
const NAME_BYTES_MAX: usize = 2 * SUBDOMAIN_CHARS_MAX + LABEL_CHARS_MAX + 2;

/// Checks the name of a signer.
pub fn name(name: &str, at: &FieldPath) -> ErrorList {
    if name.is_empty() {
        return vec![FieldError::required(at.clone(), "")];
    }
    let parts: Vec<&str> = name.split('/').collect();
    let [domain, path] = parts[..] else {
        let detail =
            "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        return vec![FieldError::invalid(at.clone(), name, detail)];
    };
    let mut errors = ErrorList::new();
    if domain.len() > SUBDOMAIN_CHARS_MAX {
        errors.push(FieldError::too_long(at.clone(), SUBDOMAIN_CHARS_MAX));
    }
    errors.extend(first_bad(domain, names::label, at));
    if !domain.contains('.') {
        let detail = "should be a domain with at least two segments separated by dots";
        errors.push(FieldError::invalid(at.clone(), domain, detail));
    }
    errors.extend(first_bad(path, names::subdomain, at));
    if name.len() > NAME_BYTES_MAX {
        errors.push(FieldError::too_long(at.clone(), NAME_BYTES_MAX));
    }
    errors
}

/// What is wrong with the first segment between dots that does not keep the rule.
fn first_bad(text: &str, rule: names::NameRule, at: &FieldPath) -> ErrorList {
    let mut checked = text.split('.').map(|segment| (segment, rule(segment)));
    let Some((segment, found)) = checked.find(|(_, found)| !found.is_empty()) else {
        return ErrorList::new();
    };
    let why = |found| format!("validating label {segment:?}: {found}");
    found.into_iter().map(|found| FieldError::invalid(at.clone(), text, why(found))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_signers() {
        let wrong = |text: &str| name(text, &FieldPath::new("s")).len();
        for good in ["example.com/a", "kubernetes.io/kubelet-serving", "a.b/ns.name"] {
            assert_eq!(wrong(good), 0, "{good}");
        }
        assert_eq!((wrong(""), wrong("noslash"), wrong("a.b/c/d")), (1, 1, 1));
        assert_eq!(wrong("local/a"), 1);
        assert_eq!(wrong("A.b/c_d"), 2);
        assert_eq!(
            name("example.com/A", &FieldPath::new("s"))[0].detail.split(':').next(),
            Some("validating label \"A\"")
        );
    }
}
