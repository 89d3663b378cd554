"""What is refused about the schema of a collection, and about a name that should be one of its fields."""

from apps.core.problems import ValidationFailed


class SchemaInvalid(ValidationFailed):
    """The JSON Schema of a collection breaks a rule of 2020-12, or one of those that keep it safe to apply."""

    code, title = "schema_invalid", "The schema was refused"
    advice = "`errors` names each place in the schema by its JSON pointer, with what to write instead."


class FieldUnknown(ValidationFailed):
    """A filter, an order or a declared index names a field that the collection's schema does not describe."""

    code, title = "field_unknown", "The schema describes no such field"
    advice = "Use one of the fields of the collection's schema, with dots between the levels."
