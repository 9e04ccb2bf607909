//! What a promotion is about to write.

use std::collections::BTreeSet;

use super::bodies::new_body;
use super::{Done, Job, Texts};
use crate::collection::{Collection, Pending, Proposer, StubFile, check, file_text};
use crate::promote::{BodyFile, Confidence, Promotion, Report};
use crate::store::collections::{Batch, Loaded, MANIFEST};

/// What is to be written: the stubs that changed, the bodies, and what nobody names any more.
pub(super) struct Plan {
    /// The collection as it will be.
    pub(super) whole: Collection,
    /// The stubs of it that changed.
    changed: BTreeSet<String>,
    /// Those of them that were handed over already.
    sent: BTreeSet<String>,
    bodies: Vec<BodyFile>,
    pub(super) written: Vec<String>,
    pub(super) removed: Vec<String>,
    pub(super) proposed: Vec<Pending>,
    /// Bodies that come with changes that wait, by the id of the change.
    waiting_bodies: Vec<(String, BodyFile)>,
    report: Report,
}

impl Plan {
    pub(super) fn done(self) -> Done {
        let Plan { report, written, removed, proposed, .. } = self;
        Done { report, written, removed, proposed, texts: Vec::new() }
    }

    /// What is to be written; leaves in the plan only the stubs that changed, so that how a person spaced the others
    /// stays.
    pub(super) fn batch<'h>(&mut self, job: &Job<'h>) -> Batch<'h> {
        self.whole.stubs.retain(|file| self.changed.contains(&file.path) && !self.sent.contains(&file.path));
        let mut bodies: Vec<_> = self.bodies.drain(..).map(|body| new_body(job.history, body)).collect();
        let pending = if job.is_ci { &[][..] } else { &self.proposed };
        let files = self.waiting_bodies.drain(..).filter(|(id, _)| pending.iter().any(|kept| kept.id == *id));
        bodies.extend(files.map(|(_, body)| new_body(job.history, body)));
        Batch { bodies, ..Batch::default() }
    }

    /// The changes that are to wait from now on.
    pub(super) fn pending(&self, job: &Job<'_>) -> &[Pending] {
        if job.is_ci { &[] } else { &self.proposed }
    }

    /// Every file as it is, and as it would be.
    pub(super) fn texts(&self, before: Option<&Loaded>) -> Vec<Texts> {
        let now = |path: &String| std::fs::read_to_string(before?.root.join(path)).ok();
        let after = |path: &String| {
            if path == MANIFEST {
                return Some(file_text(&self.whole.manifest));
            }
            let file = self.whole.stubs.iter().find(|file| file.path == *path)?;
            Some(file_text(&file.stub))
        };
        let all = self.written.iter().chain(&self.removed);
        all.map(|path| Texts { path: path.clone(), before: now(path), after: after(path) }).collect()
    }
}

pub(super) fn plan(before: Option<&Loaded>, promotion: Promotion) -> Plan {
    let Promotion { collection: whole, bodies, report, proposals, sent, .. } = promotion;
    let before = before.map(|loaded| &*loaded.collection);
    // Of a stub that was handed over only its defaults are left in `whole`; its bodies are among those to be written.
    let mut named: BTreeSet<String> = check::files(&whole);
    named.extend(bodies.iter().map(|body| body.path.clone()));
    let removed = before.map(check::files).unwrap_or_default().difference(&named).cloned().collect();
    let is_same = |file: &StubFile| {
        let known = before.and_then(|before| {
            let at = before.stubs.binary_search_by(|known| known.path.cmp(&file.path)).ok()?;
            before.stubs.get(at)
        });
        known == Some(file)
    };
    let changed: BTreeSet<String> =
        whole.stubs.iter().filter(|file| !is_same(file)).map(|file| file.path.clone()).collect();
    let mut written: Vec<_> = bodies.iter().map(|body| body.path.clone()).collect();
    written.extend(changed.iter().cloned());
    if before.map(|before| &before.manifest) != Some(&whole.manifest) {
        written.push(MANIFEST.to_owned());
    }
    let (mut proposed, mut waiting_bodies) = (Vec::new(), Vec::new());
    for proposal in proposals.into_iter().filter(|proposal| proposal.confidence != Confidence::Certain) {
        let mut pending = Pending::new(&whole, proposal.change, Proposer::Promote, proposal.why, proposal.evidence);
        for (at, body) in proposal.bodies.into_iter().enumerate() {
            let waits = pending.file_path(at, &body.path);
            pending.files.insert(body.path, waits.clone());
            waiting_bodies.push((pending.id.clone(), BodyFile { path: waits, source: body.source }));
        }
        proposed.push(pending);
    }
    Plan { whole, changed, sent, bodies, written, removed, proposed, waiting_bodies, report }
}
