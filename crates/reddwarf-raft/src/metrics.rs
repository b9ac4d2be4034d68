//! Figures of one node for Prometheus.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Figures of one node; clones share them.
#[derive(Clone, Debug)]
pub struct RaftMetrics {
    /// Raft term.
    pub term: Gauge,
    /// 1 on the leader.
    pub leader: Gauge,
    /// Index of the last log entry.
    pub last_log_index: Gauge,
    /// Index of the last committed entry that this node knows.
    pub committed_index: Gauge,
    /// Index of the last applied entry.
    pub applied_index: Gauge,
    /// Applied entries that are not yet durable in the state beside the log.
    pub durable_lag: Gauge,
    /// One fdatasync of the WAL.
    pub fsync: Histogram,
    /// Records in one drain of the WAL's writer.
    pub wal_batch: Histogram,
    /// Bytes written to the WAL.
    pub wal_bytes: Counter,
    /// 1 while the disk is so full that proposals are refused.
    pub wal_low_space: Gauge,
    /// 1 while the disk has no room for more of the log, or of the state.
    pub disk_full: Gauge,
    /// Applying one batch of entries.
    pub apply: Histogram,
    /// Entries in one applied batch.
    pub apply_batch: Histogram,
    /// One transaction of the persister.
    pub persist: Histogram,
    /// A proposal from its arrival to its answer.
    pub propose: Histogram,
    /// Proposals in one frame to the leader, or in one batch into the log.
    pub propose_batch: Histogram,
    /// Proposals waiting for an answer.
    pub proposals_pending: Gauge,
    /// Members whose state differs from the majority's, on the leader; 1 on such a member.
    pub root_mismatch: Gauge,
    /// 1 while this member serves nothing because its state is wrong or not confirmed yet.
    pub quarantined: Gauge,
    /// Times that this member replaced its state or its file from another one.
    pub repairs: Counter,
    /// Bytes of rows read by the scrub.
    pub scrub_bytes: Counter,
    /// Passes of the scrub over the whole state.
    pub scrub_passes: Counter,
    /// Damaged rows that the scrub met.
    pub scrub_damaged: Counter,
    /// Rows of the past that were removed.
    pub swept_rows: Counter,
    /// Times that the data file was written anew without its free space.
    pub compactions: Counter,
    /// A read barrier from its arrival to its answer.
    pub read_index: Histogram,
    /// Reads that shared one round.
    pub read_batch: Histogram,
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 2.0, 18))
}

fn sizes() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 13))
}

impl Default for RaftMetrics {
    fn default() -> Self {
        RaftMetrics {
            term: Gauge::default(),
            leader: Gauge::default(),
            last_log_index: Gauge::default(),
            committed_index: Gauge::default(),
            applied_index: Gauge::default(),
            durable_lag: Gauge::default(),
            fsync: seconds(),
            wal_batch: sizes(),
            wal_bytes: Counter::default(),
            wal_low_space: Gauge::default(),
            disk_full: Gauge::default(),
            apply: seconds(),
            apply_batch: sizes(),
            persist: seconds(),
            propose: seconds(),
            propose_batch: sizes(),
            proposals_pending: Gauge::default(),
            root_mismatch: Gauge::default(),
            quarantined: Gauge::default(),
            repairs: Counter::default(),
            scrub_bytes: Counter::default(),
            scrub_passes: Counter::default(),
            scrub_damaged: Counter::default(),
            swept_rows: Counter::default(),
            compactions: Counter::default(),
            read_index: seconds(),
            read_batch: sizes(),
        }
    }
}

impl RaftMetrics {
    /// Registers all figures under `raft_…`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "reddwarf_state_root_mismatch",
            "Members whose state differs from the majority's; 1 on such a member",
            self.root_mismatch.clone(),
        );
        registry.register(
            "reddwarf_quarantined",
            "1 while this member serves nothing because its state is wrong or not confirmed yet",
            self.quarantined.clone(),
        );
        registry.register(
            "reddwarf_repairs",
            "Times that this member replaced its state or its file from another member",
            self.repairs.clone(),
        );
        let raft = registry.sub_registry_with_prefix("raft");
        let gauges: [(&str, &str, &Gauge); 9] = [
            ("term", "Raft term", &self.term),
            ("leader", "1 on the leader", &self.leader),
            ("last_log_index", "Index of the last log entry", &self.last_log_index),
            ("committed_index", "Index of the last committed entry", &self.committed_index),
            ("applied_index", "Index of the last applied entry", &self.applied_index),
            ("durable_lag", "Applied entries not yet durable in the state", &self.durable_lag),
            ("wal_low_space", "1 while the disk is too full for proposals", &self.wal_low_space),
            ("disk_full", "1 while the disk has no room for log or state", &self.disk_full),
            ("proposals_pending", "Proposals that wait for an answer", &self.proposals_pending),
        ];
        for (name, help, gauge) in gauges {
            raft.register(name, help, gauge.clone());
        }
        let latencies = [
            ("fsync", "One fdatasync of the WAL", &self.fsync),
            ("apply", "Applying one batch of entries", &self.apply),
            ("persist", "One transaction of the persister", &self.persist),
            ("propose", "A proposal from arrival to answer", &self.propose),
            ("read_index", "A read barrier from arrival to answer", &self.read_index),
        ];
        for (name, help, histogram) in latencies {
            raft.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
        let batches = [
            ("wal_batch", "Records in one drain of the WAL's writer", &self.wal_batch),
            ("apply_batch", "Entries in one applied batch", &self.apply_batch),
            ("propose_batch", "Proposals in one frame", &self.propose_batch),
            ("read_batch", "Reads that shared one round", &self.read_batch),
        ];
        for (name, help, histogram) in batches {
            raft.register(name, help, histogram.clone());
        }
        let counters = [
            ("scrub_passes", "Passes of the scrub over the state", &self.scrub_passes),
            ("scrub_damaged_rows", "Damaged rows that the scrub met", &self.scrub_damaged),
            ("swept_rows", "Rows of the past that were removed", &self.swept_rows),
            ("compactions", "Times that the data file was written anew", &self.compactions),
        ];
        for (name, help, counter) in counters {
            raft.register(name, help, counter.clone());
        }
        raft.register_with_unit(
            "scrub_read",
            "Bytes of rows read by the scrub",
            Unit::Bytes,
            self.scrub_bytes.clone(),
        );
        raft.register_with_unit(
            "wal_written",
            "Bytes written to the WAL",
            Unit::Bytes,
            self.wal_bytes.clone(),
        );
    }
}
