//! Two texts as a unified diff, as `patch` and `git apply` read it.

use similar::TextDiff;

/// The unified diff of two texts with three lines around each difference; empty if they are the same. A name is that of
/// the file; `None` of a text says that there is no such file.
pub fn unified(name: &str, before: Option<&str>, after: Option<&str>) -> String {
    let side = |prefix: &str, text: Option<&str>| match text {
        Some(_) => format!("{prefix}/{name}"),
        None => "/dev/null".to_owned(),
    };
    let (from, to) = (side("a", before), side("b", after));
    let diff = TextDiff::from_lines(before.unwrap_or_default(), after.unwrap_or_default());
    diff.unified_diff().context_radius(3).header(&from, &to).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_patch_reads() {
        let text = unified("x/a.json", Some("{\n  1\n}\n"), Some("{\n  2\n}\n"));
        assert_eq!(text, "--- a/x/a.json\n+++ b/x/a.json\n@@ -1,3 +1,3 @@\n {\n-  1\n+  2\n }\n");
        assert_eq!(unified("n", None, Some("1\n")), "--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+1\n");
        assert_eq!(
            unified("n", Some("1"), None),
            "--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n\\ No newline at end of file\n"
        );
        assert_eq!(unified("n", Some("1\n"), Some("1\n")), "");
    }
}
