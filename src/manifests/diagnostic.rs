//! What is wrong with a manifest, and where. Not errors of the program: nothing here stops it.

use std::fmt;
use std::path::PathBuf;

/// How much is lost because of what a [`Diagnostic`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// One object, or a part of it, is left out.
    Warning,
    /// The file as a whole can't be used.
    Error,
}

/// One thing wrong with a manifest.
///
/// Its text is `examples/x.yaml: document 3: Service shop/web: spec.ports[0].port: invalid type: …`
/// or, for what is no YAML or JSON at all, `examples/x.yaml:12:5: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much is lost.
    pub severity: Severity,
    /// The file; `None` for text that came from none.
    pub file: Option<PathBuf>,
    /// The line, counted from 1, where the syntax is wrong.
    pub line: Option<u64>,
    /// The column, counted from 1, where the syntax is wrong.
    pub column: Option<u64>,
    /// The document in the file, counted from 1.
    pub document: Option<usize>,
    /// Kind, namespace and name, as far as they are known: `Service shop/web`.
    pub object: Option<String>,
    /// The field: `spec.ports[0].port`.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl Diagnostic {
    /// Returns a warning that has a message and no place yet.
    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            file: None,
            line: None,
            column: None,
            document: None,
            object: None,
            field: None,
            message: message.into(),
        }
    }

    /// Returns an error that has a message and no place yet.
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            ..Self::warning(message)
        }
    }

    /// Returns a warning about one field.
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: Some(field.into()),
            ..Self::warning(message)
        }
    }

    /// Logs the diagnostic. `in_force` is whether the file has older objects that stay.
    pub(crate) fn log(&self, in_force: bool) {
        let file = self.file.as_deref().map(|f| f.display().to_string());
        let (file, object) = (file.as_deref(), self.object.as_deref());
        let field = self.field.as_deref();
        let (line, column, document) = (self.line, self.column, self.document);
        let problem = self.message.as_str();
        match self.severity {
            Severity::Warning => {
                tracing::warn!(
                    file,
                    document,
                    object,
                    field,
                    problem,
                    "manifest used in part"
                );
            }
            Severity::Error if in_force => {
                tracing::error!(
                    file,
                    line,
                    column,
                    problem,
                    "manifest not usable, its last good objects stay in force"
                );
            }
            Severity::Error => {
                tracing::error!(
                    file,
                    line,
                    column,
                    problem,
                    "manifest not usable, nothing of it is in force"
                );
            }
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut place = String::new();
        if let Some(file) = &self.file {
            place = file.display().to_string();
        }
        if let Some(line) = self.line {
            if place.is_empty() {
                place.push_str("line ");
            } else {
                place.push(':');
            }
            place.push_str(&line.to_string());
            if let Some(column) = self.column {
                place.push_str(&format!(":{column}"));
            }
        }
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        if let Some(document) = self.document {
            write!(f, "document {document}: ")?;
        }
        for part in [&self.object, &self.field].into_iter().flatten() {
            write!(f, "{part}: ")?;
        }
        f.write_str(&self.message)
    }
}
