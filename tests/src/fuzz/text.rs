//! Targets: texts in parameters and headers.

use super::{Target, signature, signed};
use http::HeaderMap;
use reddwarf_apiserver::http::accept::{Offer, negotiate};
use reddwarf_apiserver::http::{Place, Query, duration};
use reddwarf_apiserver::list::{ReadOptions, Token};
use reddwarf_apiserver::options::{DeleteOptions, WriteOptions};
use reddwarf_core::quantity::Quantity;
use reddwarf_core::{FieldSelector, LabelSelector};

pub(super) fn targets() -> Vec<Target> {
    vec![
        Target { name: "label-selector", run: label_selector, seeds: label_selectors },
        Target { name: "field-selector", run: field_selector, seeds: field_selectors },
        Target { name: "continue-token", run: continue_token, seeds: continue_tokens },
        Target { name: "query", run: query, seeds: queries },
        Target { name: "accept", run: accept, seeds: accepts },
        Target { name: "quantity", run: quantity, seeds: quantities },
    ]
}

fn owned(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn label_selector(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let parsed = LabelSelector::parse(&text);
    if let Ok(selector) = &parsed {
        let labels: Vec<(Box<str>, Box<str>)> = vec![("a".into(), "b".into())];
        selector.matches(&labels);
        let again = LabelSelector::parse(&selector.to_string());
        assert_eq!(again.as_ref().ok(), Some(selector), "what it prints is what it read");
    }
    signed(parsed)
}

fn label_selectors() -> Vec<Vec<u8>> {
    owned(&["a=b", "a!=b,c", "!a", "a in (b,c)", "a notin (b)", "a>1,b<2", "x.io/y==z", "a in ()"])
}

fn field_selector(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let parsed = FieldSelector::parse(&text);
    if let Ok(selector) = &parsed {
        let again = FieldSelector::parse(&selector.to_string());
        assert_eq!(again.as_ref().ok(), Some(selector), "what it prints is what it read");
    }
    signed(parsed)
}

fn field_selectors() -> Vec<Vec<u8>> {
    owned(&["metadata.name=a", "spec.nodeName!=,status.phase==Running", r"a=b\,c\=d\\"])
}

fn continue_token(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let decoded = Token::decode(&text);
    if let Ok(token) = &decoded {
        let again = Token::decode(&token.encode());
        assert_eq!(again.as_ref().ok(), Some(token), "what it encodes is what it decoded");
    }
    signed(decoded.map_err(|status| status.message))
}

fn continue_tokens() -> Vec<Vec<u8>> {
    let token = |revision: Option<u64>, after: &str| {
        Token { revision, after: after.into() }.encode().into_bytes()
    };
    vec![token(Some(7), "shop/web"), token(None, "web"), b"eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ".to_vec()]
}

fn query(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let (path, query) = text.split_once('?').unwrap_or(("/", &text));
    let query = Query::parse(Some(query));
    let place = Place::parse(path);
    let message = |status: Box<reddwarf_core::Status>| status.message;
    let results = [
        ReadOptions::read(&query, false).map(drop).map_err(message),
        ReadOptions::read(&query, true).map(drop).map_err(message),
        WriteOptions::read(&query, "PatchOptions").map(drop).map_err(message),
        DeleteOptions::read(&query, None).map(drop).map_err(message),
        query.text("timeout").map_or(Ok(()), |text| duration::parse(text).map(drop)),
    ];
    signature(&format!("{results:?} {}", matches!(place, Place::Resource(_))))
}

fn queries() -> Vec<Vec<u8>> {
    owned(&[
        "/api/v1/pods?watch=1&resourceVersion=5&timeoutSeconds=3&allowWatchBookmarks=true",
        "/apis/apps/v1/namespaces/a/deployments/b/scale?dryRun=All&fieldManager=m&force=true",
        "/api/v1/watch/namespaces/a?limit=500&continue=abc&resourceVersionMatch=NotOlderThan",
        "/api/v1/pods?sendInitialEvents=true&fieldValidation=Strict&timeout=1m30s&pretty",
        "/x?gracePeriodSeconds=0&propagationPolicy=Orphan&orphanDependents=false",
    ])
}

fn accept(input: &[u8]) -> u64 {
    let mut headers = HeaderMap::new();
    let Ok(value) = http::HeaderValue::from_bytes(input) else { return 1 };
    headers.insert(http::header::ACCEPT, value);
    let offers = [Offer::Object, Offer::List, Offer::Discovery];
    let results = offers.map(|offer| negotiate(&headers, offer).map_err(|s| s.message));
    signature(&format!("{results:?}"))
}

fn accepts() -> Vec<Vec<u8>> {
    owned(&[
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;q=0.5",
        "application/vnd.kubernetes.protobuf, */*;q=0.1",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/yaml;stream=watch",
    ])
}

fn quantity(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let parsed = Quantity::parse(&text);
    if let Ok(quantity) = &parsed {
        let (_, _) = (quantity.value(), quantity.milli_value());
        let again = Quantity::parse(&quantity.to_string());
        assert!(again.is_ok(), "it reads what it prints");
    }
    signed(parsed)
}

fn quantities() -> Vec<Vec<u8>> {
    owned(&["1", "100m", "1.5Gi", "-2e3", "0.000001n", "12E", "9999999999999999999", ".5"])
}
