using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Tests.Controls;

public sealed class TypedConfirmationTests : ControlTests
{
    [Fact]
    public async Task Confirmation_opens_its_button_only_for_the_exact_word()
    {
        var (provider, reference) = await OpenAsync();
        Assert.True(provider.Find("button.filled").HasAttribute("disabled"));
        Assert.Contains("The button opens when orders_copy is typed exactly.", provider.Markup, StringComparison.Ordinal);

        provider.Find("input").Input("Orders_copy");
        Assert.True(provider.Find("button.filled").HasAttribute("disabled"));
        provider.Find("input").Input("orders_copy");
        provider.Find("button.filled").Click();

        var result = await reference.Result;
        Assert.Equal(true, result?.Data);
        Assert.False(result?.Canceled);
    }

    [Fact]
    public async Task Confirmation_enter_before_the_word_does_nothing()
    {
        var (provider, reference) = await OpenAsync();
        provider.Find("input").KeyDown("Enter");
        Assert.False(reference.Result.IsCompleted);
        provider.Find("button:not(.filled)").Click();
        Assert.True((await reference.Result)?.Canceled);
    }

    private async Task<(IRenderedComponent<MudDialogProvider> Provider, IDialogReference Reference)> OpenAsync()
    {
        var provider = Render<MudDialogProvider>();
        var dialogs = Services.GetRequiredService<IDialogService>();
        var reference = await provider.InvokeAsync(() => dialogs.ShowAsync<TypedConfirmation>(string.Empty, new DialogParameters<TypedConfirmation>
        {
            { dialog => dialog.Title, "Restore 4f19c2 into orders_copy" },
            { dialog => dialog.Consequence, "orders_copy is made new." },
            { dialog => dialog.Word, "orders_copy" },
            { dialog => dialog.ActionText, "Restore into orders_copy" },
            { dialog => dialog.Facts, [new NamedFact("Target", "127.0.0.1")] },
        }));
        provider.WaitForElement("input");
        return (provider, reference);
    }
}
