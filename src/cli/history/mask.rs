//! `retake history mask`: the masking rules of today, applied to what is already recorded.

use super::{Context, edit};
use crate::cli::args::HistoryMaskArgs;
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::redact::MaskRules;
use crate::store::Edit;

pub(super) fn run(context: &Context, settings: &MaskRules, args: &HistoryMaskArgs) -> Outcome {
    let rules = rules(settings, &args.rules)?;
    if !args.how.dry_run && !args.how.yes {
        let effect = "what the rules mask will be gone from every file of the history for good";
        if !edit::agreed(context.printer, effect)? {
            context.printer.say("nothing was masked");
            return Ok(Exit::SUCCESS);
        }
    }
    let report = edit::apply(context, &Edit::Mask { rules, dry_run: args.how.dry_run })?;
    edit::warnings(context, &report);
    if args.how.json {
        context.printer.json(&edit::json(&report, args.how.dry_run));
        return Ok(Exit::SUCCESS);
    }
    let verb = if args.how.dry_run { "would mask" } else { "masked" };
    let values = if report.values == 1 { "1 value".to_owned() } else { format!("{} values", report.values) };
    context.printer.data(format_args!("{verb} {values} in {}", edit::exchanges(report.exchanges)));
    if args.how.dry_run {
        context.printer.say("next: the same without `--dry-run`");
    } else if report.values > 0 && !args.rules.is_empty() {
        context
            .printer
            .say("rules given with `--rule` hold for this run only: `[mask]` in retake.toml makes them stay");
    }
    Ok(Exit::SUCCESS)
}

/// The rules of the settings, and those given as `KIND=VALUE`.
fn rules(settings: &MaskRules, given: &[String]) -> Result<MaskRules, CliError> {
    let mut rules = settings.clone();
    for rule in given {
        let bad = |cause: &str| {
            CliError::usage(format!("`--rule {}`: {cause}", rule.escape_debug())).hint(
                "give `field=NAME` for a header field, `member=NAME` for a query, form, JSON or XML member, \
                 `query=NAME`, `form=NAME`, `pointer=/a/b` for a place in JSON, `regex=EXPRESSION`, or `keep=NAME`",
            )
        };
        let (kind, value) = rule.split_once('=').ok_or_else(|| bad("no such rule"))?;
        rules.add(kind.trim(), value).map_err(|error| bad(&error.to_string()))?;
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::args::EditArgs;
    use crate::cli::testing::{Fake, context};

    #[test]
    fn rules_add_to_those_of_the_settings() {
        let settings = MaskRules { fields: vec!["x-a".into()], ..MaskRules::default() };
        let given = ["field=X-B", "member=session key", "pointer=/a/*/b", "regex=x=[0-9]+", "keep=token"];
        let rules = rules(&settings, &given.map(str::to_owned)).unwrap();
        assert_eq!((rules.fields, rules.members), (vec!["x-a".into(), "X-B".into()], vec!["session key".into()]));
        assert_eq!((rules.pointers[0].to_string(), rules.regex[0].to_string()), ("/a/*/b".into(), "x=[0-9]+".into()));
        assert_eq!(rules.keep, ["token"]);
    }

    #[test]
    fn nobody_to_ask_and_bad_rules_are_refused() {
        let history = Arc::new(Fake::new([]));
        let context = context(history.clone());
        let settings = MaskRules::default();
        for rule in ["", "field", "field=", "=x", "colour=red", "pointer=a", "regex=("] {
            let how = EditArgs { yes: true, ..EditArgs::default() };
            let args = HistoryMaskArgs { rules: vec![rule.into()], how };
            assert_eq!(run(&context, &settings, &args).unwrap_err().exit.0, 2, "{rule}");
        }
        assert_eq!(run(&context, &settings, &HistoryMaskArgs::default()).unwrap_err().exit.0, 2);
        let how = EditArgs { dry_run: true, ..EditArgs::default() };
        let dry = HistoryMaskArgs { how, ..HistoryMaskArgs::default() };
        assert_eq!(run(&context, &settings, &dry).unwrap(), Exit::SUCCESS);
        assert_eq!(*history.edits.lock().unwrap(), [Edit::Mask { rules: settings, dry_run: true }]);
    }
}
