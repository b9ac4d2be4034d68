//! Taints and tolerations.

use super::raw::{RawTaint, RawToleration};

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// They are not placed on the node.
    NoSchedule,
    /// They are placed elsewhere if there is room.
    PreferNoSchedule,
    /// They are not placed and are evicted.
    NoExecute,
}

impl Effect {
    fn parse(text: &str) -> Option<Effect> {
        Some(match text {
            "NoSchedule" => Effect::NoSchedule,
            "PreferNoSchedule" => Effect::PreferNoSchedule,
            "NoExecute" => Effect::NoExecute,
            _ => return None,
        })
    }

    /// Whether it keeps pods away.
    pub fn keeps_away(self) -> bool {
        self != Effect::PreferNoSchedule
    }
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: Box<str>,
    /// Its value, mostly empty.
    pub value: Box<str>,
    /// What it does.
    pub effect: Effect,
}

impl Taint {
    /// `None` for an effect that is unknown here.
    pub fn from_raw(raw: RawTaint) -> Option<Taint> {
        Some(Taint { effect: Effect::parse(&raw.effect)?, key: raw.key, value: raw.value })
    }
}

/// A toleration of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toleration {
    /// Empty for every key.
    key: Box<str>,
    value: Box<str>,
    /// `Exists`: the value does not matter.
    any_value: bool,
    /// `None` for every effect.
    effect: Option<Effect>,
}

impl Toleration {
    /// `None` for an operator or effect that is unknown here: it then tolerates nothing.
    pub fn from_raw(raw: RawToleration) -> Option<Toleration> {
        let any_value = match raw.operator.as_ref() {
            "" | "Equal" => false,
            "Exists" => true,
            _ => return None,
        };
        let effect = match raw.effect.as_ref() {
            "" => None,
            text => Some(Effect::parse(text)?),
        };
        Some(Toleration { key: raw.key, value: raw.value, any_value, effect })
    }

    /// Whether it tolerates a taint.
    pub fn tolerates(&self, key: &str, value: &str, effect: Effect) -> bool {
        self.effect.is_none_or(|mine| mine == effect)
            && (self.key.is_empty() || self.key.as_ref() == key)
            && (self.any_value || (!self.key.is_empty() && self.value.as_ref() == value))
    }
}

/// Whether any of `tolerations` tolerates a taint.
pub fn tolerated(tolerations: &[Toleration], key: &str, value: &str, effect: Effect) -> bool {
    tolerations.iter().any(|t| t.tolerates(key, value, effect))
}
