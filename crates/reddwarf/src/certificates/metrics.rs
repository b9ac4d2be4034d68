//! Figures of the certificates.

use crate::pki::Leaf;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct What {
    what: &'static str,
}

/// Figures of one member's certificates.
#[derive(Clone, Default)]
pub struct CertificateMetrics {
    expiry: Family<What, Gauge>,
    /// Certificates taken into use since the start.
    pub renewed: Counter,
    /// Renewals that failed, and replacements that were refused.
    pub failed: Counter,
}

impl CertificateMetrics {
    /// Adds the figures.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "reddwarf_certificate_expiry_seconds",
            "When a certificate expires, since the Unix epoch: the member's and the authority's",
            self.expiry.clone(),
        );
        registry.register(
            "reddwarf_certificate_renewals",
            "Certificates that took the place of others",
            self.renewed.clone(),
        );
        registry.register(
            "reddwarf_certificate_renewal_failures",
            "Renewals that failed, and replacements that were refused",
            self.failed.clone(),
        );
    }

    /// Tells until when these are good.
    pub fn show(&self, member: &Leaf, authority: &Leaf) {
        for (what, leaf) in [("member", member), ("authority", authority)] {
            let gauge = self.expiry.get_or_create(&What { what });
            gauge.set(leaf.validity.until.as_second());
        }
    }
}
